"""Amounts with units: read as they are written, refused where they are of something else."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidscale.cost.units import BYTES, DOLLARS, FLOPS, GPU_SECONDS, SECONDS, read_amount, said, spoken, unit
from vidscale.errors import InputError

NAMES = (FLOPS, SECONDS, GPU_SECONDS, DOLLARS, BYTES)


@pytest.mark.parametrize(("text", "name", "value"), [
    ("15e12", FLOPS, 15e12), ("15T", FLOPS, 15e12), ("15 T", FLOPS, 15e12), ("15 TFLOPs", FLOPS, 15e12),
    ("2.8B", FLOPS, 2.8e9), ("1e3k", FLOPS, 1e6), ("-1", FLOPS, -1.0), ("0.5P", FLOPS, 5e14),
    ("500ms", SECONDS, 0.5), ("0.5s", SECONDS, 0.5), (" 500 ms ", SECONDS, 0.5), ("2 min", SECONDS, 120.0),
    ("300us", SECONDS, 3e-4), ("300µs", SECONDS, 3e-4), ("50ms", GPU_SECONDS, 0.05), ("50 GPU-ms", GPU_SECONDS, 0.05),
    ("$20", DOLLARS, 20.0), ("20usd", DOLLARS, 20.0), ("20 USD", DOLLARS, 20.0), ("$ 20", DOLLARS, 20.0),
    ("24GB", BYTES, 24e9), ("24 GiB", BYTES, 24 * 2**30), ("512MB", BYTES, 512e6), ("1_000", FLOPS, 1000.0),
])
def test_amounts_are_read_exactly(text, name, value):
    assert read_amount(text, name, "x") == value


@pytest.mark.parametrize(("text", "name", "said"), [
    ("15e12", SECONDS, "has no unit, but what it bounds is counted in ms"),
    ("500ms", FLOPS, "is a time"), ("$20", SECONDS, "amount of money"), ("24GB", SECONDS, "size of memory"),
    ("15T", SECONDS, "number of FLOPs"), ("20", DOLLARS, r"write one such as \$20 or 20usd"),
    ("15m", FLOPS, "unknown unit 'm'"), ("5 parsec", SECONDS, "unknown unit 'parsec'"), ("1e999", FLOPS, "too large"),
    ("1e9999999999", FLOPS, "too large"), ("plenty", FLOPS, "no number"), ("nan", FLOPS, "no number"),
    ("", SECONDS, "no number"), ("1.2.3", FLOPS, "no number|unknown unit"), ("15e12,30e12", FLOPS, "no number|unit"),
])
def test_what_does_not_fit_is_refused(text, name, said):
    with pytest.raises(InputError, match=said) as raised:
        read_amount(text, name, "--budget")
    assert "\n" not in str(raised.value)
    assert "--budget" in str(raised.value)


@given(st.text(max_size=12), st.sampled_from(NAMES))
def test_any_text_is_an_amount_or_refused(text, name):
    try:
        value = read_amount(text, name, "x")
    except InputError:
        return
    assert math.isfinite(value)


@given(st.floats(min_value=1e-6, max_value=1e6), st.sampled_from([SECONDS, GPU_SECONDS, BYTES]))
def test_what_is_shown_reads_back(value, name):
    assert read_amount(said(value, name), name, "x") == pytest.approx(value, rel=1e-3)


def test_words():
    assert [said(0.25, SECONDS), said(15e12, FLOPS), said(20.0, DOLLARS), said(24e9, BYTES)] == [
        "250 ms", "15 TFLOPs", "$20 per million videos", "24 GB"]
    assert spoken(15e12, FLOPS) == "1.5e+13 FLOPs"
    assert [unit(name).column for name in NAMES] == ["flops", "s", "gpu_s", "usd_per_million", "bytes"]
    assert (unit("Wh per video").shown, unit("Wh per video").column) == ("Wh per video", "wh_per_video")


@pytest.mark.parametrize(("largest", "shown"), [
    (None, "TFLOPs"), (1.15e14, "TFLOPs"), (2e12, "TFLOPs"), (1.07e11, "GFLOPs"), (5e8, "GFLOPs"), (9e7, "MFLOPs"),
    (3e3, "MFLOPs")])
def test_flops_are_shown_in_a_unit_that_reads_well(largest, shown):
    found = unit(FLOPS, largest)
    assert found.shown == shown
    assert found.axis == f"{shown} per video"
    assert read_amount(f"3 {shown}", FLOPS, "x") == pytest.approx(3 * found.scale, rel=1e-12)


def test_other_units_do_not_depend_on_the_amount():
    assert unit(SECONDS, 1e-6) == unit(SECONDS)
    assert said(5e8, FLOPS) == "0.5 GFLOPs"
