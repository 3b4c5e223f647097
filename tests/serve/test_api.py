"""The API: what it answers, and what it refuses."""

import json
from types import SimpleNamespace

import pytest

from vidscale.recommend import Question, Recommendation, recommend
from vidscale.report.plain import dumps
from vidscale.serve.app import KEPT_BYTES, _Answers
from vidscale.serve.documents import document
from vidscale.serve.study import StudyAnswer

API = "/api/v1"


def test_recommend_is_the_librarys(client, known_model):
    asked = {"budget": 20e12, "data_size": 1e6, "weights": {"ordering": 1, "reading": 2},
             "current": {"lm_params": 1e9, "frames": 8, "tokens_per_frame": 49}}
    got = client.post(f"{API}/recommend", json=asked)
    assert got.status_code == 200
    found = recommend(known_model, Question(**{**asked, "current": _factors(asked["current"])}))
    assert got.json() == json.loads(dumps(found))
    query = {"budget": "20e12", "data_size": "1e6", "weight": ["ordering=1", "reading=2"],
             "current": "lm_params=1e9,frames=8,tokens_per_frame=49"}
    assert client.get(f"{API}/recommend", params=query).json() == got.json()


def _factors(given):
    from vidscale.space import ScalingFactors

    return ScalingFactors(**given)


def test_an_answers_own_question_gives_it_again(client):
    first = client.post(f"{API}/recommend", json={"cost": "latency", "gpu": "H200", "output_tokens": 8,
                                                 "limits": {"ttft": 0.1}, "memory_limit_bytes": 30e9}).json()
    again = client.post(f"{API}/recommend", json=first["question"])
    assert again.status_code == 200
    assert again.json() == first


def test_answers_have_the_documented_schema(client):
    document(StudyAnswer).model_validate(client.get(f"{API}/study").json(), strict=False)
    for asked in ({}, {"cost": "dollars", "gpu": "l4", "output_tokens": 4, "predictor": "bagged"}):
        document(Recommendation).model_validate(client.post(f"{API}/recommend", json=asked).json())


def test_the_study_says_what_a_page_needs(client, known_model):
    found = client.get(f"{API}/study").json()
    assert [t["name"] for t in found["tasks"]] == list(known_model.targets)
    assert [t["name"] for t in found["tasks"] if t["mean"]] == ["average"]
    assert [level["value"] for level in found["levels"]["lm_params"]] == [1e9, 2.8e9, 7.5e9]
    assert found["levels"]["lm_params"][2]["name"] == "llama-3.1-8b"
    assert all(cost["low"] < cost["suggested"] < cost["high"] for cost in found["costs"])
    defaults = client.post(f"{API}/recommend", json=found["defaults"])
    assert defaults.json()["question"] == found["defaults"]
    assert found["provenance"]["data_hash"] == client.get(f"{API}/health").json()["data_hash"]


def test_an_etag_spares_the_study(client):
    first = client.get(f"{API}/study")
    again = client.get(f"{API}/study", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_the_longest_answers_are_not_kept():
    answers, made = _Answers(), []
    served = SimpleNamespace(number=1)

    def make(length):
        made.append(length)
        return b"1" * length

    for length in (KEPT_BYTES // 2, KEPT_BYTES):
        for _ in range(3):
            assert answers.get(served, f"question {length}", lambda length=length: make(length)) == b"1" * length
    assert made == [KEPT_BYTES // 2, *[KEPT_BYTES] * 3]


def test_pages_and_assets_are_served(client):
    for address, kind in (("/", "text/html"), ("/assets/explorer.css", "text/css"),
                          ("/assets/explorer.js", "text/javascript"), ("/assets/plotly.js", "text/javascript")):
        got = client.get(address)
        assert got.status_code == 200
        assert got.headers["content-type"].startswith(kind)
        assert "default-src 'self'" in got.headers["content-security-policy"]
        assert got.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(("body", "status"), [
    ('{"budgets": 1}', 422), ("[]", 422), ("", 422), ("nope", 422), ('{"budget": -1}', 422), ('{"budget": NaN}', 422),
    ('{"budget": 1e999}', 422), ('{"budget": 1}', 400), ('{"gpu": "/etc/passwd"}', 400),
    ('{"model": "../../../tmp/config.json"}', 400), ('{"task": "\\ud800"}', 422), ("[" * 100_000, 400),
    ("1" * 10_000, 400), ('{"weights": {"average": 1}}', 400), ('{"seed": 1.5}', 422),
    ('{"lm_params": ' + str([1e9] * 65) + "}", 422), ('{"current": {"lm_params": 1e9}}', 422), ("\xff", 400),
])
def test_a_bad_question_is_one_line(client, body, status):
    got = client.post(f"{API}/recommend", content=body.encode("latin-1"), headers={"content-type": "application/json"})
    assert got.status_code == status, got.text
    _is_fault(got)


@pytest.mark.parametrize(("given", "said"), [
    ({"budgte": 1}, "'budgte' is no field here; is it budget?"), ({"data-size": 1}, "is it data_size?"),
    ({"current": {"lm_params": 1e9, "frames": 8, "token_per_frame": 49}}, "is it tokens_per_frame?"),
    ({"zzz": 1}, "'zzz' is no field here; allowed are cost, gpu, batch"),
    ({"budget": "300ms"}, "budget: '300ms' is no number; a budget is a number in the unit of its cost"),
    ({"data_size": "800k"}, "data_size: '800k' is no number; it is a number of finetuning examples: write 800000"),
    ({"output_tokens": "1e3"}, "it is a whole number of tokens: write 1000"),
    ({"limits": {"ttft": "300ms"}}, "limits.ttft: '300ms' is no number; they are a number for each kind of cost"),
])
def test_a_fault_names_the_field_or_the_number_that_was_meant(client, given, said):
    posted = client.post(f"{API}/recommend", json=given)
    assert posted.status_code == 422
    _is_fault(posted)
    assert said in posted.json()["error"]
    if not isinstance(next(iter(given.values())), dict):
        asked = client.get(f"{API}/recommend", params=given)
        assert asked.status_code == 422
        assert said in asked.json()["error"]


def _is_fault(got):
    assert list(got.json()) == ["error"]
    assert "\n" not in got.json()["error"]
    assert "Traceback" not in got.text
    assert got.headers["x-content-type-options"] == "nosniff"


def test_wrong_addresses_methods_and_hosts(client):
    post = {"content": "{}", "headers": {"content-type": "application/json"}}
    for got, status in (
        (client.get("/etc/passwd"), 404), (client.get("/assets/../../study/store.py"), 404),
        (client.get("/assets/%2e%2e/%2e%2e/study/store.py"), 404), (client.get("/docs"), 404),
        (client.put(f"{API}/recommend"), 405), (client.delete("/"), 405),
        (client.post(f"{API}/recommend", content="{}"), 415),
        (client.post(f"{API}/recommend", content="{}", headers={"content-type": "text/plain"}), 415),
        (client.post(f"{API}/recommend", content=" " * 300_000, headers=post["headers"]), 413),
        (client.get("/", headers={"host": "evil.example"}), 403),
        (client.get("/", headers={"host": "127.0.0.1.evil.example:8080"}), 403),
        (client.get("/", headers={"host": "user@127.0.0.1"}), 403),
        (client.get(f"{API}/health", headers={"origin": "http://evil.example"}), 403),
        (client.get(f"{API}/health", headers={"origin": "null"}), 403),
        (client.get(f"{API}/health", headers={"sec-fetch-site": "cross-site"}), 403),
    ):
        assert got.status_code == status, got.text
        _is_fault(got)
        assert "access-control-allow-origin" not in got.headers
    for headers in ({"host": "localhost:1234"}, {"host": "[::1]:80"}, {"origin": "http://127.0.0.1:8080"},
                    {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}):
        assert client.get("/", headers=headers).status_code == 200


def test_limits_and_lists_in_an_address(client):
    query = {"cost": "latency", "gpu": "h200", "output_tokens": "8", "budget": "0.1", "lm_params": ["1e9", "2.8e9"],
             "limit": ["ttft<=60ms", "memory<=20GB"], "frames": "8"}
    body = {"cost": "latency", "gpu": "h200", "output_tokens": 8, "budget": 0.1, "lm_params": [1e9, 2.8e9],
            "limits": {"ttft": 0.06}, "memory_limit_bytes": 20e9, "frames": [8]}
    got = client.get(f"{API}/recommend", params=query)
    assert got.status_code == 200, got.text
    assert got.json() == client.post(f"{API}/recommend", json=body).json()
    for wrong in ({"limit": "ttft>=60ms"}, {"weight": "reading"}, {"weight": ["reading=1", "reading=2"]},
                  {"current": "lm_params=1e9"}, {"current": "lm_params=-1,frames=8,tokens_per_frame=49"},
                  {"limit": "memory<=20GB", "memory_limit_bytes": "1e9"}):
        said = client.get(f"{API}/recommend", params=wrong)
        assert said.status_code == 400, (wrong, said.text)
        _is_fault(said)
