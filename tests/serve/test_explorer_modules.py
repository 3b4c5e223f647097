"""The page's modules by themselves, in the browser: numbers as Python writes them, questions through addresses."""

import math
import random

import pytest
from explorer_server import serving, settle

from vidscale.cost.units import unit
from vidscale.report.numbers import amount, chance, examples, interval, params, percent, plain, with_unit

UNITS = ("FLOPs", "s", "GPU-s", "USD per million videos", "bytes")


@pytest.fixture(scope="module")
def address(known_fit):
    with serving(known_fit) as server:
        yield server.address


def values(count: int) -> list[float]:
    """Numbers of every size, and the ones that rounding gets wrong: ties, powers of ten and their neighbours."""
    draw = random.Random(3)
    wide = [draw.choice((1, -1)) * 10 ** draw.uniform(-9, 18) for _ in range(count)]
    ties = [k / 2**p for k in range(1, 400, 7) for p in (1, 2, 3, 4)]
    edges = [x for power in range(-6, 14) for x in (10.0**power, math.nextafter(10.0**power, 0), 9.9995 * 10.0**power)]
    return [*wide, *ties, *edges, 0.0, 1.0, 0.5, 2.5, 1234567.0, 9999999.0, 12345678.0]


def test_numbers_are_written_as_python_writes_them(open_page, address):
    page = open_page(address).page
    settle(page)
    some = values(600)
    wanted = [[plain(v, 2), plain(v, 3), plain(v, 4), params(abs(v)), examples(abs(v)), percent(v),
               *(with_unit(v, name) for name in UNITS), *(amount(v, unit(name, abs(v))) for name in UNITS)]
              for v in some]
    got = page.evaluate("""async ([some, units]) => {
        const f = await import('/assets/format.js');
        return some.map((v) => [f.plain(v, 2), f.plain(v, 3), f.plain(v, 4), f.params(Math.abs(v)),
            f.examples(Math.abs(v)), f.percent(v), ...units.map((name) => f.withUnit(v, name)),
            ...units.map((name) => f.amount(v, f.unit(name, Math.abs(v))))]);
    }""", [some, list(UNITS)])
    for value, mine, theirs in zip(some, got, wanted, strict=True):
        assert mine == theirs, value


def test_intervals_and_chances_are_rounded_as_python_rounds_them(open_page, address):
    page = open_page(address).page
    settle(page)
    draw = random.Random(4)
    some = []
    for _ in range(800):
        middle, half = 10 ** draw.uniform(-4, 1), 10 ** draw.uniform(-12, 0)
        some.append([middle, middle - half * draw.random(), middle + half * draw.random()])
    some += [[0.5, 0.5, 0.5], [0.3, 0.01, 0.9], [0.0, 0.0, 0.0]]
    got = page.evaluate("""async (some) => {
        const f = await import('/assets/format.js');
        return some.map((one) => f.interval(...one)).map((s) => [s.value, `[${s.low}, ${s.high}]`]);
    }""", some)
    for one, mine in zip(some, got, strict=True):
        assert tuple(mine) == interval(*one, scale=100), one
    shares = [k / 200 for k in range(201)]
    got = page.evaluate("async (all) => all.map((await import('/assets/format.js')).chance)", shares)
    assert got == [chance(share) for share in shares]


def random_question(draw: random.Random) -> dict:
    """A tidy question of any shape."""
    cost = draw.choice(["flops", "flops-exact", "latency", "dollars"])
    out: dict = {"cost": cost, "budget": 10 ** draw.uniform(-3, 15)}
    if cost in ("latency", "dollars"):
        out |= {"gpu": "H200", "batch": draw.randint(1, 9), "output_tokens": draw.randint(1, 99), "text_tokens": 0}
    if draw.random() < 0.5:
        out["weights"] = {draw.choice(["a=b", "x & y", "ü,é", "<b>", "100%", "a+b"]): draw.randint(0, 9), "plain": 1}
    else:
        out["task"] = draw.choice(["average", "a=b&c", "what? #1", "ü"])
    if draw.random() < 0.5:
        out["lm_params"] = [1e9, draw.uniform(1e9, 9e9)]
    if draw.random() < 0.3:
        out["frames"] = [8, 16]
    if draw.random() < 0.5:
        out["current"] = {"lm_params": draw.uniform(1e8, 1e11), "frames": draw.randint(1, 99), "tokens_per_frame": 49}
    if draw.random() < 0.5:
        out["memory_limit_bytes"] = draw.uniform(1e9, 1e11)
    if draw.random() < 0.5:
        out["limits"] = {"ttft": draw.uniform(0.01, 1), "dollars": draw.uniform(1, 99)}
    if draw.random() < 0.3:
        out |= {"level": 0.8, "tolerance": 0.025, "predictor": "bagged", "lattice": "dense", "seed": 3, "n_eval": 500}
    if draw.random() < 0.5:
        out["data_size"] = draw.uniform(1, 1e8)
    return out


def test_a_question_comes_back_from_its_address(open_page, address):
    page = open_page(address).page
    settle(page)
    draw = random.Random(5)
    asked = [random_question(draw) for _ in range(200)]
    found = page.evaluate("""async (all) => {
        const s = await import('/assets/state.js');
        return all.map((one) => { const query = s.write(one); const back = s.read(`?${query}`);
            return [back.question, back.ignored, s.write(back.question) === query]; });
    }""", asked)
    for one, (back, ignored, same) in zip(asked, found, strict=True):
        assert ignored == []
        assert same
        assert back == one


def test_the_address_of_a_question_asks_the_api_the_same(open_page, address):
    page = open_page(address).page
    settle(page)
    asked = [
        {"cost": "flops", "budget": 5e12, "data_size": 5e5, "weights": {"long <b>video</b>": 2, "reading": 1}},
        {"cost": "latency", "gpu": "H200", "budget": 0.08, "output_tokens": 4, "batch": 2, "text_tokens": 10,
         "memory_limit_bytes": 2.5e10, "limits": {"ttft": 0.07}, "lm_params": [1e9, 2.8e9], "frames": [8, 16],
         "current": {"lm_params": 1e9, "frames": 8, "tokens_per_frame": 49}},
        {"cost": "dollars", "gpu": "L4", "price": 0.65, "budget": 60, "task": "reading", "level": 0.8,
         "tolerance": 0.03},
    ]
    for one in asked:
        posted, got = page.evaluate("""async (one) => {
            const s = await import('/assets/state.js');
            const { post, get } = await import('/assets/api.js');
            return Promise.all([post('recommend', one), get(`recommend?${s.write(one)}`)]);
        }""", one)
        assert posted["configuration"]["lm_params"] > 0, posted
        assert got == posted
