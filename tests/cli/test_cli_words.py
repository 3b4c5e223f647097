"""Options to values, and numbers to text."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from vidscale.cli.words import budget, configuration, factors, number, pairs
from vidscale.errors import InputError
from vidscale.report.numbers import NONE, interval, params, plain, tera
from vidscale.report.plain import dumps, jsonable
from vidscale.report.tables import Column, Table, to_markdown
from vidscale.report.terminal import to_rich


@pytest.mark.parametrize(("text", "value"), [
    ("7.5e9", 7.5e9), ("7.5B", 7.5e9), ("2.8B", 2.8e9), ("250k", 2.5e5), ("250K", 2.5e5), ("1M", 1e6), ("15T", 15e12),
    (" 32 ", 32.0), ("1e3k", 1e6), ("0.973B", 0.973e9),
])
def test_numbers_are_read_exactly(text, value):
    assert number(text, "x") == value


@pytest.mark.parametrize("text", ["", "nan", "inf", "B", "1.2.3", "7 billion", "0x10", "-"])
def test_what_is_no_number_is_refused(text):
    with pytest.raises(InputError, match="no number"):
        number(text, "x")


def test_configurations():
    assert factors("lm_params=7.5B, frames=32", "--at") == {"lm_params": 7.5e9, "frames": 32}
    assert tuple(configuration("frames=32,tokens_per_frame=196,lm_params=7.5e9", "--at")) == (7.5e9, 32, 196)
    assert pairs(["a=b=c"], "--map") == {"a": "b=c"}


@pytest.mark.parametrize(("value", "low", "high", "shown"), [
    (34.2117, 33.91, 34.52, ("34.21", "[33.91, 34.52]")),
    (0.1, 0.05, 0.9, ("0.1", "[0.05, 0.9]")),
    (1234.5, 1100.0, 1400.0, ("1234", "[1100, 1400]")),
    (5.0, None, None, ("5", NONE)),
    (math.nan, 1.0, 2.0, (NONE, NONE)),
    (0.0, 0.0, 0.0, ("0", "[0, 0]")),
    (0.0, 0.0, 0.136, ("0.000", "[0.000, 0.136]")),
])
def test_rounding_follows_uncertainty(value, low, high, shown):
    assert interval(value, low, high) == shown


@given(st.floats(min_value=1e-3, max_value=1e6), st.floats(min_value=1e-4, max_value=0.5))
def test_rounding_keeps_an_interval_round_its_value(value, share):
    shown, span = interval(value, value * (1 - share), value * (1 + share))
    low, high = (float(part) for part in span.strip("[]").split(","))
    assert low <= float(shown) <= high
    assert abs(float(shown) - value) <= 0.1 * share * value + 1e-9 * value


@given(st.floats(min_value=1e-12, max_value=1e18))
def test_plain_numbers_keep_three_digits(value):
    assert float(plain(value)) == pytest.approx(value, rel=0.005)


def test_units():
    assert (params(7.5e9), params(9.73e8), params(None), tera(115.21536e12)) == ("7.5B", "973M", NONE, "115.2")


def test_json_holds_no_nan():
    assert jsonable({"a": math.nan, "b": [math.inf, 1.5], 3: (True, None)}) == {"a": None, "b": [None, 1.5],
                                                                             "3": [True, None]}
    assert dumps(math.nan) == "null\n"


def test_markdown():
    table = Table(title="T", columns=(Column(name="a", words=True), Column(name="b", unit="%")), rows=(("x|y", "1"),),
                  notes=("said",))
    assert to_markdown(table) == "**T**\n\n| a | b (%) |\n| :-- | --: |\n| x\\|y | 1 |\n\n- said\n"


@pytest.mark.parametrize("width", [50, 80, 120, 10_000])
def test_no_cell_is_cut_on_a_terminal_of_any_width(width):
    headers = ("budget", "lm_params", "tokens_per_frame", "interval", "near-ties", "remark")
    rows = tuple((f"{i}.5", "7.5B", "196", f"[{i}.25, {i}.75]", "12", "outside what was measured") for i in range(3))
    table = Table(title="T", columns=tuple(Column(name=h, unit="%", words=h == "remark") for h in headers), rows=rows)
    console = Console(width=width, color_system=None)
    with console.capture() as caught:
        console.print(to_rich(table, width))
    for cell in (cell for row in rows for cell in row[:-1]):
        assert cell in caught.get()
    words = caught.get().split()
    assert all(word in words for header in headers[1:] for word in (header, "measured"))
    assert max(map(len, caught.get().splitlines())) <= width


@pytest.mark.parametrize(("text", "unit", "said"), [
    ("30,000ms", "s", "for thousands write --budget 30000ms"), ("0,3s", "s", "write --budget 0.3s"),
    ("1,5T", "FLOPs", "write --budget 1.5T"),
    ("$1,000", "USD per million videos", "for thousands write --budget $1000"),
    ("300,400ms", "s", "for thousands write --budget 300400ms, for several amounts --budget 300ms --budget 400ms"),
    ("100ms, 200ms", "s", "repeat it: --budget 100ms --budget 200ms"), ("15T,", "FLOPs", "repeat it: --budget 15T"),
    (",", "FLOPs", "holds a comma"), ("-5T", "FLOPs", "'-5T' is not positive; allowed are positive amounts, such as"),
    ("0ms", "s", "such as 500ms"), ("300ms", "FLOPs", "is a time, but what it bounds is counted in FLOPs; write one"),
    ("5XF", "FLOPs", "15T or, where models are small, 5G"),
])
def test_an_amount_that_is_none_says_how_it_is_written(text, unit, said):
    with pytest.raises(InputError) as caught:
        budget(text, unit)
    assert said in str(caught.value)


def test_one_amount_is_not_asked_for_several():
    with pytest.raises(InputError) as caught:
        budget("300,400ms", "s", several=False)
    assert str(caught.value).endswith("for thousands write --budget 300400ms")
    with pytest.raises(InputError, match="give one amount, such as --budget 100ms"):
        budget("100ms,200ms", "s", several=False)


@pytest.mark.parametrize(("text", "flops"), [("5GF", 5e9), ("5G", 5e9), ("300MF", 3e8), ("15TFLOPs", 15e12)])
def test_flops_of_small_models(text, flops):
    assert budget(text, "FLOPs") == flops
