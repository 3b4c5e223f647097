"""An application in this process, asked as a browser on this machine would."""

import pytest
from starlette.testclient import TestClient

from vidscale.serve import StudySource, create_app


@pytest.fixture(scope="session")
def client(known_fit):
    """A client of a server of the known study."""
    app = create_app(StudySource.open(known_fit))
    return TestClient(app, base_url="http://127.0.0.1:8080", raise_server_exceptions=False)
