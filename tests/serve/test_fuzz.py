"""Requests made from the OpenAPI document, right and wrong ones: every answer is JSON and none is a server fault.

VIDSCALE_FUZZ multiplies the number of requests, for a longer search than a test run has time for.
"""

import json
import math
import os
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from vidscale.serve import StudySource, create_app

MORE = int(os.environ.get("VIDSCALE_FUZZ", "1"))
#: Requests of each operation; an elasticity takes longest.
COUNTS = {"/api/v1/elasticity": 15}
USUAL = 60

NUMBERS = st.one_of(
    st.sampled_from([0, -1, 1, 2**31, 2**63, -2**63, 10**30, 1e-320, 5e-324, 1e300, 1.8e308, -0.0, 0.5, 7.5e9, 196]),
    st.integers(-10**6, 10**15), st.floats(allow_nan=True, allow_infinity=True))
TEXTS = st.one_of(
    st.text(max_size=40),
    st.sampled_from(["", "flops", "latency", "h200", "H100", "average", "reading", "long <b>video</b>", "dense",
                     "bagged", "../../etc/passwd", "/etc/passwd", "\x00", "%s%n", "{{7*7}}", "'; DROP", "\u202e",
                     "a" * 5000, "ttft<=300ms", "reading=1", "reading=nan", "qwen2-vl", "gpus.toml", "config.json",
                     "lm_params=1e9,frames=8,tokens_per_frame=49", "\ud83d"]))
JUNK = st.recursive(st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS),
                    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXTS, inner, max_size=3)),
                    max_leaves=8)


def document() -> dict[str, Any]:
    """The document, made without any study's numbers."""
    class Blank:
        def __getattr__(self, name):
            raise AssertionError("the document does not need a study")

    return TestClient(create_app(Blank()), base_url="http://127.0.0.1").get("/openapi.json").json()


DOCUMENT = document()
OPERATIONS = [(path, method) for path, each in DOCUMENT["paths"].items() for method in each]


def looked_up(schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        schema = DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def values(schema: dict[str, Any]) -> st.SearchStrategy:
    """Values of a schema, now and then of no schema at all."""
    schema = looked_up(schema)
    if "anyOf" in schema:
        right = st.one_of([values(each) for each in schema["anyOf"]])
    elif "enum" in schema or "const" in schema:
        right = st.sampled_from(schema.get("enum", [schema.get("const")]))
    else:
        right = {"object": objects, "array": arrays, "number": numbers, "integer": numbers, "boolean": _flags,
                 "string": _texts, "null": _nothing}.get(schema.get("type", ""), _junk)(schema)
    return st.one_of(right, right, right, JUNK)


def objects(schema: dict[str, Any]) -> st.SearchStrategy:
    known = {name: values(each) for name, each in schema.get("properties", {}).items()}
    extra = schema.get("additionalProperties")
    inner = values(extra) if isinstance(extra, dict) else JUNK
    some = st.dictionaries(TEXTS, inner, max_size=3 if isinstance(extra, dict) else 1)
    needed = {name: known[name] for name in schema.get("required", ())}
    rest = {name: each for name, each in known.items() if name not in needed}
    return st.tuples(st.fixed_dictionaries(needed, optional=rest), st.one_of(st.just({}), st.just({}), some)).map(
        lambda both: {**both[1], **both[0]})


def arrays(schema: dict[str, Any]) -> st.SearchStrategy:
    return st.lists(values(schema.get("items", {})), min_size=schema.get("minItems", 0), max_size=4)


def numbers(schema: dict[str, Any]) -> st.SearchStrategy:
    low = schema.get("minimum", schema.get("exclusiveMinimum", -1e6))
    high = schema.get("maximum", schema.get("exclusiveMaximum", 1e6))
    if schema["type"] == "integer":
        return st.one_of(st.integers(math.ceil(low), math.floor(high)), NUMBERS)
    inside = st.floats(low, high)
    if low >= 0 and high > 1e6:  # as people write amounts: evenly by their powers of ten
        inside = st.floats(math.log10(max(low, 1e-3)), math.log10(min(high, 1e16))).map(lambda power: 10**power)
    return st.one_of(inside, inside, NUMBERS)


def _flags(schema):
    return st.booleans()


def _texts(schema):
    return TEXTS


def _nothing(schema):
    return st.none()


def _junk(schema):
    return JUNK


@pytest.fixture(scope="module")
def fresh(known_fit):
    """A client of its own, so that no other test's answers are kept for it."""
    app = create_app(StudySource.open(known_fit))
    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
        yield client


def check(got) -> None:
    assert got.status_code < 500, got.text
    assert got.status_code in (200, 304, 400, 404, 405, 408, 413, 415, 422), got.text
    assert "Traceback" not in got.text
    if got.headers["content-type"] == "application/json":
        found = json.loads(got.text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
        if got.status_code >= 400:
            assert list(found) == ["error"]
            assert found["error"]
            assert len(found["error"].splitlines()) == 1
            assert len(found["error"]) < 3000


@pytest.mark.parametrize(("path", "method"), OPERATIONS, ids=[f"{m} {p}" for p, m in OPERATIONS])
def test_no_request_is_a_server_fault(fresh, path, method):
    operation = DOCUMENT["paths"][path][method]
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    query = {each["name"]: values(each["schema"]) for each in operation.get("parameters", ())}
    bodies = st.none() if body is None else st.one_of(values(body), values(body), values(body), JUNK)
    sent = []

    @settings(max_examples=COUNTS.get(path, USUAL) * MORE, derandomize=MORE == 1, database=None, deadline=None,
              suppress_health_check=list(HealthCheck))
    @given(bodies, st.fixed_dictionaries({}, optional=query))
    def ask(given_body, given_query):
        parameters = {name: [_plain(v) for v in value] if isinstance(value, list) else _plain(value)
                      for name, value in given_query.items()}
        if body is None:
            got = fresh.request(method, path, params=parameters)
        else:
            got = fresh.request(method, path, content=json.dumps(given_body).encode(), params=parameters,
                                headers={"content-type": "application/json"})
        sent.append(got.status_code)
        check(got)

    ask()
    assert len(sent) >= COUNTS.get(path, USUAL) // 2 or not (body or query)


def _plain(value: Any) -> str:
    return str(value).encode("utf-8", "replace").decode()


def test_every_operation_is_described():
    assert {path for path, _ in OPERATIONS} >= {f"/api/v1/{name}" for name in (
        "health", "study", "recommend", "predict", "frontier", "elasticity", "cost")}
    for path, method in OPERATIONS:
        operation = DOCUMENT["paths"][path][method]
        assert operation["summary"]
        assert operation["responses"]["200"]["content"]["application/json"]["schema"]
        assert {"400", "413", "415", "422"} <= set(operation["responses"])
        for each in operation.get("parameters", ()):
            assert each["schema"].get("description") or each.get("description"), (path, each["name"])
    for name, schema in DOCUMENT["components"]["schemas"].items():
        if name in ("Recommendation", "QuestionBody", "StudyAnswer", "ErrorEstimate", "CostDetail", "Command"):
            for field, each in schema["properties"].items():
                assert each.get("description") or "$ref" in each, (name, field)


@settings(max_examples=150 * MORE, derandomize=MORE == 1, database=None, deadline=None,
          suppress_health_check=list(HealthCheck))
@given(st.text("abcdefghijklmnopqrstuvwxyz0123456789/.%_-~\\", max_size=60),
       st.sampled_from(["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"]), st.binary(max_size=200),
       st.sampled_from(["application/json", "text/plain", "multipart/form-data; boundary=x", "application/json; a=b"]))
def test_other_addresses_and_methods(fresh, path, method, body, kind):
    got = fresh.request(method, "/" + path.lstrip("/"), content=body if method != "GET" else None,
                        headers={"content-type": kind})
    assert got.status_code < 500, (method, path)
    assert "Traceback" not in got.text
