"""The API answers what the command line's --json answers, for every verb."""

import json

import numpy as np
import pytest

from vidscale.cli import main
from vidscale.space import FACTORS

API = "/api/v1"


@pytest.fixture
def run(capsys, known_fit):
    """The command line on the known study, as parsed JSON."""
    def call(verb: str, *arguments: str):
        source = [] if verb == "cost" else [str(known_fit)]
        code = main([verb, *source, *arguments, "--json", "--quiet"])
        caught = capsys.readouterr()
        assert code == 0, caught.err
        return json.loads(caught.out)

    return call


def test_predict(client, run):
    points = [{"lm_params": 2.8e9, "frames": 8, "tokens_per_frame": 49, "data_size": 1e6},
              {"lm_params": 1e9, "frames": 64, "tokens_per_frame": 49, "data_size": 1e6}]
    got = client.post(f"{API}/predict", json={"points": points, "level": 0.8, "n_eval": 500, "tasks": ["reading"]})
    at = [",".join(f"{k}={v!r}" for k, v in point.items()) for point in points]
    assert got.json() == run("predict", "--at", at[0], "--at", at[1], "--level", "0.8", "--n-eval", "500", "--task",
                             "reading")
    assert client.post(f"{API}/predict", json={"points": [{"frames": 8}]}).status_code == 400


def test_frontier(client, run):
    asked = {"budgets": [16e12, 30e12], "data_sizes": [5e5, 1e6], "tasks": ["average", "ordering"],
             "current": {"lm_params": 1e9, "frames": 8, "tokens_per_frame": 49}, "fixed": {"frames": 16}}
    got = client.post(f"{API}/frontier", json=asked)
    assert got.status_code == 200, got.text
    assert got.json() == run("frontier", "--budget", "16T", "--budget", "30T", "--data-size", "5e5", "--data-size",
                             "1e6", "--task", "average", "--task", "ordering", "--current",
                             "lm_params=1e9,frames=8,tokens_per_frame=49", "--fix", "frames=16")
    timed = {"cost": "latency", "gpu": "h200", "output_tokens": 8, "memory_limit_bytes": 20e9, "budgets": [0.08],
             "tasks": ["reading"], "data_sizes": [1e6]}
    assert client.post(f"{API}/frontier", json=timed).json() == run(
        "frontier", "--cost", "latency", "--gpu", "h200", "--output-tokens", "8", "--limit", "memory<=20GB", "--budget",
        "80ms", "--task", "reading", "--data-size", "1e6")


def test_a_question_that_takes_too_long_is_refused(client):
    # The known study has 20 draws a target.
    many = {"tasks": ["average"] * 64}
    points = [{"lm_params": 1e9, "frames": 8, "tokens_per_frame": 49, "data_size": 1e6 + k} for k in range(1000)]
    budgets, sizes = [2e13 + 1e9 * k for k in range(100)], [5e5 + k for k in range(20)]
    for verb, asked in (("predict", {"points": points, **many}),
                        ("frontier", {"budgets": budgets, "data_sizes": sizes, **many})):
        got = client.post(f"{API}/{verb}", json=asked)
        assert got.status_code == 400, verb
        assert "draws behind intervals, at most 1e+06" in got.json()["error"]


def test_elasticity(client, run):
    got = client.post(f"{API}/elasticity", json={"task": "ordering"})
    assert got.status_code == 200, got.text
    assert got.json() == run("elasticity", "--task", "ordering")
    dense = client.post(f"{API}/elasticity", json={"task": "ordering", "lattice": "dense"})
    assert "is not served" in dense.json()["error"]


def test_cost(client, run):
    x = {"lm_params": 7.5e9, "frames": 32, "tokens_per_frame": 196}
    at = "lm_params=7.5e9,frames=32,tokens_per_frame=196"
    assert client.post(f"{API}/cost", json={"configurations": [x]}).json() == run("cost", "--at", at)
    got = client.post(f"{API}/cost", json={"configurations": [x], "gpu": "l4", "output_tokens": 16, "price": 1.5})
    assert got.json() == run("cost", "--at", at, "--gpu", "l4", "--output-tokens", "16", "--price", "1.5")


def test_work_is_bounded(client):
    asked = {"lattice": "dense", "data_sizes": [1e6 + k for k in range(20)], "budgets": [20e12]}
    assert "evaluations of laws" in client.post(f"{API}/frontier", json=asked).json()["error"]


def random_question(rng) -> tuple[dict, list[str]]:
    """One state of the page, as a body and as options of the command line."""
    cost = str(rng.choice(["flops", "lm-only", "flops-exact", "ttft", "latency", "gpu-seconds", "dollars"]))
    body, options = {"cost": cost}, ["--cost", cost]

    def take(name, value, option, text=None):
        body[name] = value
        options.extend([option, repr(value) if text is None else text])

    scale = {"flops": (3e12, 1e14), "lm-only": (3e12, 1e14), "flops-exact": (3e13, 2e14), "dollars": (30, 300)}
    low, high = scale.get(cost, (0.03, 0.3))
    budget = float(np.exp(rng.uniform(np.log(low), np.log(high))))
    units = {"dollars": "usd", "ttft": "s", "latency": "s", "gpu-seconds": "s"}
    take("budget", budget, "--budget", f"{budget!r}{units.get(cost, '')}")
    take("data_size", float(np.exp(rng.uniform(np.log(1e5), np.log(4e6)))), "--data-size")
    if cost in units:
        take("gpu", str(rng.choice(["H200", "H100", "L40S"])), "--gpu")
        options[-1] = body["gpu"]
        take("output_tokens", int(rng.integers(1, 32)), "--output-tokens")
        if rng.random() < 0.4:
            take("batch", int(rng.integers(1, 9)), "--batch")
    if rng.random() < 0.4:
        names = ["ordering", "reading", "long <b>video</b>"]
        body["weights"] = {name: float(w) for name, w in zip(names, rng.uniform(0, 2, 3), strict=True)}
        for name, weight in body["weights"].items():
            options += ["--weight", f"{name}={weight!r}"]
    elif rng.random() < 0.6:
        take("task", "reading", "--task", "reading")
    if rng.random() < 0.4:
        body["lm_params"] = [1e9, 7.5e9]
        options += ["--allow", "lm_params=1e9,7.5e9"]
    if rng.random() < 0.3:
        take("memory_limit_bytes", 20e9, "--limit", "memory<=20GB")
    if rng.random() < 0.5:
        body["current"] = dict(zip(FACTORS, (2.8e9, 8, 100), strict=True))
        options += ["--current", "lm_params=2.8e9,frames=8,tokens_per_frame=100"]
    if rng.random() < 0.3:
        take("predictor", "bagged", "--predictor", "bagged")
    if rng.random() < 0.3:
        take("lattice", "deployable", "--lattice", "deployable")
    if rng.random() < 0.3:
        take("tolerance", 0.05, "--near")
    if rng.random() < 0.3:
        take("n_eval", 700.0, "--n-eval")
    if rng.random() < 0.3:
        take("seed", int(rng.integers(9)), "--seed")
    return body, options


def test_fifty_random_states_are_the_command_lines(client, known_fit, capsys):
    rng, answered = np.random.default_rng(5), 0
    for _ in range(50):
        body, options = random_question(rng)
        code = main(["recommend", str(known_fit), *options, "--json", "--quiet"])
        caught, got = capsys.readouterr(), client.post(f"{API}/recommend", json=body)
        if code == 0:
            assert got.status_code == 200, (body, got.text)
            assert got.json() == json.loads(caught.out), body
            answered += 1
        else:
            assert code == 2
            assert got.status_code == 400, body
            assert caught.err == f"error: {got.json()['error']}\n"
    assert answered >= 40
