"""A study that changes under the server: the new one is read, a broken one is told, the old one stays."""

import json
import os
import shutil

import pytest
from starlette.testclient import TestClient

from vidscale.errors import InputError
from vidscale.serve import StudySource, create_app


class Clock:
    """Seconds that tests move."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def served(known_fit, tmp_path):
    """(file, clock, client) of a server whose file may be changed."""
    path, clock = tmp_path / "fit.json", Clock()
    shutil.copy(known_fit, path)
    app = create_app(StudySource.open(path, clock=clock))
    return path, clock, TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False)


def put(path, content) -> None:
    """A new file in the place of the old one, as vidscale writes it."""
    fresh = path.with_name("new.json")
    fresh.write_text(content)
    os.replace(fresh, path)


def health(client):
    return client.get("/api/v1/health").json()


def test_a_new_study_is_served_without_a_restart(served):
    path, clock, client = served
    before, tag = health(client), client.get("/api/v1/study").headers["etag"]
    first = client.post("/api/v1/recommend", json={"budget": 20e12}).json()
    content = json.loads(path.read_text())
    content["data_hash"], content["table"] = "f" * 64, "grown"
    put(path, json.dumps(content))
    assert health(client) == before, "looked at before it was due"
    clock.now += 1.1
    after = health(client)
    assert after == {**before, "data_hash": "f" * 64, "studies_read": 2}
    again = client.get("/api/v1/study", headers={"if-none-match": tag})
    assert again.status_code == 200
    assert again.json()["provenance"]["studies_read"] == 2
    second = client.post("/api/v1/recommend", json={"budget": 20e12}).json()
    assert (second["table"], second["data_hash"]) == ("grown", "f" * 64)
    assert second["error"] == first["error"]


BROKEN = ("", "{", '{"schema": "vidscale-fit", "version": 1}', "[" * 100_000, "\x80\x81pickle")


@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_study_keeps_the_old_one_and_is_told(served, broken):
    path, clock, client = served
    whole = path.read_text()
    put(path, broken)
    clock.now += 1.1
    found = health(client)
    assert found["status"] == "stale"
    assert found["studies_read"] == 1
    assert "fit file" in found["problem"]
    assert len(found["problem"].splitlines()) == 1
    assert client.post("/api/v1/recommend", json={}).status_code == 200
    put(path, whole)
    clock.now += 1.1
    assert health(client)["status"] == "ok"


def test_a_study_that_goes_away_keeps_being_served(served):
    path, clock, client = served
    path.unlink()
    clock.now += 1.1
    assert health(client)["status"] == "stale"
    assert client.post("/api/v1/recommend", json={}).status_code == 200


def test_a_start_needs_a_study(tmp_path):
    with pytest.raises(InputError, match="No such file"):
        StudySource.open(tmp_path / "fit.json")


def test_two_studies_are_asked_from_many_threads_at_once(known_fit):
    """After a new study is read, questions to the old one may still be under way: kernels must not meet."""
    from concurrent.futures import ThreadPoolExecutor

    from vidscale.recommend import Answerer, Question, recommend
    from vidscale.study.store import load_model

    answerers = [Answerer(load_model(known_fit)) for _ in range(2)]
    questions = [Question(budget=1e13 + 1e11 * k) for k in range(40)]
    alone = [recommend(answerers[0], question) for question in questions]
    with ThreadPoolExecutor(8) as pool:
        both = [list(pool.map(lambda question, who=who: recommend(who, question), questions)) for who in answerers]
    assert both[0] == both[1] == alone
