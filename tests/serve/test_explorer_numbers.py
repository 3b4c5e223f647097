"""What the page shows is what the command line says: 50 random states, every number, to the last digit and as text."""

import json
import random
import shlex
import subprocess
import sys
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pytest
from explorer_server import fields, listed, plotted, serving, settle

from vidscale.cli import main
from vidscale.cost.units import unit as unit_named
from vidscale.report.numbers import amount, chance, interval, params, plain, with_unit
from vidscale.study.store import load_model

#: Cost → (lowest and highest budget drawn in its unit, suffix on the command line).
BUDGETS = {"flops": (1.5e12, 6e13, ""), "lm-only": (5e11, 6e13, ""), "flops-exact": (1.5e12, 6e13, ""),
           "ttft": (0.012, 0.2, "s"), "latency": (0.012, 0.5, "s"), "gpu-seconds": (0.012, 0.2, "s"),
           "dollars": (8.0, 300.0, "usd")}
GPUS = ("H200", "H100", "L40S")


@dataclass(frozen=True, kw_only=True)
class State:
    """One state of the page: its query, and the same question as options of the command line."""

    query: str
    options: tuple[str, ...]


def random_state(draw: random.Random, model: Any) -> State:
    """A state that any control could have led to."""
    query: list[tuple[str, str]] = []
    options: list[str] = []

    def add(name: str, text: str, *command: str) -> None:
        query.append((name, text))
        options.extend(command)

    cost = draw.choice(list(BUDGETS))
    low, high, suffix = BUDGETS[cost]
    budget = float(f"{low * (high / low) ** draw.random():.3g}")
    add("cost", cost, "--cost", cost)
    add("budget", repr(budget), "--budget", f"{budget!r}{suffix}")
    timed = cost in ("ttft", "latency", "gpu-seconds", "dollars")
    if timed:
        gpu = draw.choice(GPUS)
        add("gpu", gpu, "--gpu", gpu)
        tokens, batch = draw.choice((1, 2, 8)), draw.choice((1, 1, 4))
        add("output_tokens", str(tokens), "--output-tokens", str(tokens))
        add("batch", str(batch), "--batch", str(batch))
    if cost == "dollars" and draw.random() < 0.5:
        add("price", "2.75", "--price", "2.75")
    if timed and draw.random() < 0.3:
        add("memory_limit_bytes", "24e9", "--limit", "memory<=24GB")
    if timed and draw.random() < 0.3:
        add("limit", "latency<=0.4s", "--limit", "latency<=400ms")
    if model.data_varies:
        size = round(draw.uniform(1e5, 3e6))
        add("data_size", str(size), "--data-size", str(size))
    names = [name for name in model.targets if name != "average"]
    kind = draw.random()
    if kind < 0.4 and len(names) > 1:
        for name in draw.sample(names, 2):
            weight = draw.randint(1, 9)
            add("weight", f"{name}={weight}", "--weight", f"{name}={weight}")
    elif kind < 0.8:
        name = draw.choice(list(model.targets))
        add("task", name, "--task", name)
    sizes = [float(v) for v in model.levels["lm_params"]]
    if draw.random() < 0.4:
        kept = sorted(draw.sample(sizes, draw.randint(1, len(sizes) - 1)))
        query.extend(("lm_params", repr(v)) for v in kept)
        options.extend(("--allow", f"lm_params={','.join(map(repr, kept))}"))
    if draw.random() < 0.6:
        at = {factor: float(draw.choice(list(model.levels[factor]))) for factor in ("lm_params", "frames",
                                                                                    "tokens_per_frame")}
        text = ",".join(f"{factor}={value!r}" for factor, value in at.items())
        add("current", text, "--current", text)
    if draw.random() < 0.3:
        level = draw.choice(("0.5", "0.8", "0.99"))
        add("level", level, "--level", level)
    if draw.random() < 0.15:
        add("predictor", "bagged", "--predictor", "bagged")
    return State(query="&".join(f"{name}={quote(text, safe='')}" for name, text in query), options=tuple(options))


def expected(answer: dict[str, Any]) -> dict[str, tuple[str, Any]]:
    """Field of the page → (text, value), from an answer of the command line."""
    at, error, cost, unit = answer["configuration"], answer["error"], answer["cost"], answer["cost"]["unit"]

    def ends(low: str, high: str) -> list[str]:
        return interval(error["value"], error[low], error[high], 100)[1].strip("[]").split(", ")

    mean, new = ends("mean_low", "mean_high"), ends("new_low", "new_high")
    out = {
        "lm_params": (params(at["lm_params"]), at["lm_params"]), "frames": (plain(at["frames"], 4), at["frames"]),
        "tokens_per_frame": (plain(at["tokens_per_frame"], 4), at["tokens_per_frame"]),
        "error": (_error(error), error["value"]), "cost": (with_unit(cost["value"], unit), cost["value"]),
        "mean_low": (mean[0], error["mean_low"]), "mean_high": (mean[1], error["mean_high"]),
        "new_low": (new[0], error["new_low"]), "new_high": (new[1], error["new_high"]),
        "probability_best": (chance(answer["probability_best"]), answer["probability_best"]),
    }
    for name in ("next_budget", "next_data"):
        if answer[name]["error"] is not None:
            out[f"{name}_error"] = (_error(answer[name]["error"]), answer[name]["error"]["value"])
    for part in ("encoder", "projector", "prefill", "decode"):
        if cost["flops"][part]:
            of = unit_named("FLOPs", cost["flops"]["total"])
            out[f"flops_{part}"] = (f"{amount(cost['flops'][part], of)} {of.shown}", cost["flops"][part])
    for name, of in (("first_token_s", "s"), ("seconds", "s"), ("memory_bytes", "bytes"),
                     ("dollars", "USD per million videos")):
        if cost[name] is not None:
            out[name] = (with_unit(cost[name], of), cost[name])
    now = answer["comparison"]
    if now is not None:
        out["current_error"] = (_error(now["error"]), now["error"]["value"])
        out["recommended_gain"] = (f"{plain(100 * abs(now['recommended_gain']), 2)} %", now["recommended_gain"])
    return out


def _error(found: dict[str, float]) -> str:
    return interval(found["value"], found["mean_low"], found["mean_high"], 100)[0]


def asked(study: Any, state: State, capsys: Any) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of the command line in this process."""
    code = main(["recommend", str(study), *state.options, "--json", "--quiet"])
    caught = capsys.readouterr()
    return code, caught.out, caught.err


@pytest.fixture(scope="module")
def studies(known_fit, tmp_path_factory):
    """Two studies: three tasks of known laws, and a measured table in which neither frames nor data vary."""
    other = tmp_path_factory.mktemp("li") / "fit.json"
    assert main(["fit", "li2024", "--form", "add", "--draws", "20", "--starts", "4", "--out", str(other),
                 "--quiet"]) == 0
    return {"known": known_fit, "li2024": other}


@pytest.mark.parametrize(("name", "count"), [("known", 34), ("li2024", 16)])
def test_the_page_says_what_the_command_line_says(open_page, studies, capsys, name, count):
    study = studies[name]
    model = load_model(study)
    draw = random.Random(7)
    answered = 0
    with serving(study) as server:
        seen = open_page()
        for _ in range(count):
            state = random_state(draw, model)
            seen.page.goto(f"{server.address}/?{state.query}")
            settle(seen.page)
            code, out, problem = asked(study, state, capsys)
            if code != 0:
                assert seen.page.locator("#answer").get_attribute("data-state") == "refused", state
                said = seen.page.locator("#refusal").inner_text().rstrip(".").lower()
                assert said == problem.strip().removeprefix("error: ").rstrip(".").lower(), state
                continue
            answered += 1
            answer, shown = json.loads(out), fields(seen.page)
            for field, (text, value) in expected(answer).items():
                assert field in shown, (field, state)
                assert float(shown[field][1]) == value, (field, state)
                assert shown[field][0] == text, (field, state)
            assert shown["bottleneck"][1] == (answer["bottleneck"]["factor"] or "")
            ties = [(plain(100 * tie["error"], 4), tie["error"]) for tie in answer["near_ties"]]
            assert [(text, float(value)) for text, value in listed(seen.page, "tie_error")] == ties
            kinds = seen.page.locator(".risks li").evaluate_all("all => all.map((one) => one.dataset.kind)")
            assert set(kinds) == {risk["kind"] for risk in answer["risks"]}
        assert not seen.outside
    assert answered >= 0.7 * count


def test_a_study_in_which_frames_and_data_do_not_vary_says_so(open_page, studies):
    with serving(studies["li2024"]) as server:
        seen = open_page(server.address)
        settle(seen.page)
        plotted(seen.page)
        assert "was not varied" in seen.page.locator("#data-fixed").inner_text()
        assert seen.page.locator("#data-size").count() == 0
        assert "does not vary" in seen.page.locator("#next-data").inner_text()
        assert "without a path: frames" in seen.page.locator("#plots").inner_text()
        assert "data_size" not in seen.page.url
        seen.assert_clean()


def test_the_command_on_the_page_gives_the_answer_on_the_page(open_page, studies):
    """A real process, for the command that the page offers to copy."""
    states = {
        "known": ["cost=latency&gpu=H200&budget=0.0713&data_size=6e5&output_tokens=4&memory_limit_bytes=24e9"
                  "&weight=reading=3&weight=long%20<b>video</b>=1&limit=ttft<=0.06s&lm_params=1e9&lm_params=2.8e9"
                  "&current=lm_params=1e9,frames=8,tokens_per_frame=49&level=0.8",
                  "cost=dollars&gpu=L4&budget=40&price=0.65&batch=4&task=long%20<b>video</b>&predictor=bagged"],
        "li2024": ["cost=flops&budget=5e12"],
    }
    for name, queries in states.items():
        with serving(studies[name]) as server:
            seen = open_page()
            for query in queries:
                seen.page.goto(f"{server.address}/?{query}")
                settle(seen.page)
                text = seen.page.locator(".command", has_text="in a terminal").locator("pre").inner_text()
                words = shlex.split(text)
                assert words[:3] == ["vidscale", "recommend", "STUDY"]
                command = [sys.executable, "-m", "vidscale", "recommend", str(studies[name]), *words[3:], "--json",
                           "--quiet"]
                answer = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
                shown = fields(seen.page)
                for field, (said, value) in expected(answer).items():
                    assert (shown[field][0], float(shown[field][1])) == (said, value), (field, query)


def test_the_table_under_the_plots_is_the_frontier(open_page, known_fit, capsys):
    """Every step of the staircase, asked as a budget of its own."""
    with serving(known_fit) as server:
        page = open_page(f"{server.address}/?cost=flops&budget=9e12&data_size=5e5&task=reading").page
        settle(page)
        page.get_by_text("The same as a table").click()
        page.locator("[data-field=step_cost]").first.wait_for()
        costs = [float(value) for _, value in listed(page, "step_cost")]
        errors = [float(value) for _, value in listed(page, "step_error")]
    assert len(costs) > 5
    budgets = [word for cost in costs for word in ("--budget", repr(cost))]
    assert main(["frontier", str(known_fit), "--task", "reading", "--data-size", "5e5", *budgets, "--json",
                 "--quiet"]) == 0
    points = json.loads(capsys.readouterr().out)["frontier"]["points"]
    assert [point["cost"] for point in points] == costs
    assert [point["error"] for point in points] == errors
