"""The explorer and its API: questions over HTTP, answered by the same functions as the command line's.

Needs the extra `serve` (FastAPI, uvicorn); nothing else in the package imports either.
"""

from vidscale.serve.app import create_app
from vidscale.serve.source import StudySource

__all__ = ["StudySource", "create_app"]
