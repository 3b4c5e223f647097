"""Limits beside the budget: parsed, met or broken, and counted."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidscale.cost import LmOnlyCost, PaperCost
from vidscale.cost.constraints import (
    LIMITS,
    Exclusion,
    Limit,
    LimitedCost,
    base_cost,
    broken_limits,
    excluded,
    exclusions,
    limit_sentence,
    limits_of,
    parse_limit,
)
from vidscale.errors import InputError
from vidscale.space import published_lattice

POINTS = published_lattice().points


@pytest.mark.parametrize(("text", "kind", "value", "shown"), [
    ("latency<=500ms", "latency", 0.5, "latency <= 500 ms"),
    ("memory <= 24GB", "memory", 24e9, "memory <= 24 GB"),
    ("ttft <= 300 ms", "ttft", 0.3, "ttft <= 300 ms"),
    ("flops<=30e12", "flops", 30e12, "flops <= 30 TFLOPs"),
    ("dollars<=20", "dollars", 20.0, "dollars <= $20 per million videos"),
    ("dollars<=$20", "dollars", 20.0, "dollars <= $20 per million videos"),
    ("GPU_seconds < 50ms", "gpu-seconds", 0.05, "gpu-seconds <= 50 GPU-ms"),
    ("flops-exact≤1e13", "flops-exact", 1e13, "flops-exact <= 10 TFLOPs"),
])
def test_limits_are_read(text, kind, value, shown):
    limit = parse_limit(text)
    assert (limit.kind, limit.value, limit.text) == (kind, value, shown)


@pytest.mark.parametrize(("text", "said"), [
    ("latency", "KIND<=AMOUNT"), ("", "KIND<=AMOUNT"), ("latency>=5ms", "KIND<=AMOUNT"), ("latency=5ms", "KIND<="),
    ("speed<=3", "cannot limit 'speed'; allowed are flops"), ("latency<=20", "has no unit"),
    ("memory<=5s", "is a time"), ("latency<=-5ms", "positive"), ("latency<=0s", "positive"),
    ("ttft<=fast", "no number"),
])
def test_what_is_no_limit_is_refused(text, said):
    with pytest.raises(InputError, match=said) as raised:
        parse_limit(text)
    assert "--limit" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_limit_has_a_kind_and_a_positive_amount():
    with pytest.raises(InputError, match="cannot limit 'colour'"):
        Limit(kind="colour", value=1.0)
    for value in (0.0, -1.0, np.inf, np.nan):
        with pytest.raises(InputError, match="positive finite"):
            Limit(kind="memory", value=value)
    assert set(LIMITS) >= {"flops", "ttft", "latency", "gpu-seconds", "dollars", "memory"}


def limited(*values: float) -> LimitedCost:
    return LimitedCost(base=PaperCost(), limits=tuple(
        (Limit(kind="flops", value=value), LmOnlyCost()) for value in values))


@given(st.lists(st.floats(min_value=1e9, max_value=1e15), min_size=1, max_size=3))
def test_what_breaks_any_limit_cannot_be_bought(values):
    cost, lm = limited(*values), LmOnlyCost().cost(POINTS)
    kept = (lm[:, None] <= np.array(values) * (1 + 1e-12)).all(axis=1)
    assert np.array_equal(np.isfinite(cost.cost(POINTS)), kept)
    assert np.array_equal(cost.cost(POINTS)[kept], PaperCost().cost(POINTS)[kept])
    assert [each.count for each in exclusions(cost, POINTS)] == [int((lm > v * (1 + 1e-12)).sum()) for v in values]
    assert excluded(cost, POINTS) == int((~kept).sum())
    assert np.array_equal(cost.encoder_share(POINTS), PaperCost().encoder_share(POINTS))


def test_a_cost_with_limits_is_no_posynomial_and_names_them():
    cost = limited(1e13, 2e13)
    assert cost.terms() is None
    assert (cost.unit, base_cost(cost)) == ("FLOPs", cost.base)
    assert [limit.value for limit in limits_of(cost)] == [1e13, 2e13]
    assert cost.name == "paper (flops <= 10 TFLOPs, flops <= 20 TFLOPs)"


def test_a_cost_without_limits_excludes_nothing():
    assert base_cost(PaperCost()) == PaperCost()
    assert (exclusions(PaperCost(), POINTS), excluded(PaperCost(), POINTS), limits_of(PaperCost())) == ((), 0, ())
    assert broken_limits(PaperCost(), POINTS[:2]) == [(), ()]
    assert limit_sentence((), 0) == ""


def test_a_broken_limit_says_by_how_much():
    cheap, dear = broken_limits(limited(1e13), np.array([[1e9, 4, 4], [7.5e9, 32, 196]]))
    assert cheap == ()
    assert dear == ("flops <= 10 TFLOPs: it takes 94.08 TFLOPs",)


def test_the_sentence_counts_each_limit_and_all_together():
    found = [Exclusion(limit=Limit(kind="latency", value=0.5), count=3, of=9),
             Exclusion(limit=Limit(kind="memory", value=24e9, reason="all of one L4"), count=2, of=9)]
    assert limit_sentence(found[:1], 3) == "latency <= 500 ms excludes 3 of 9"
    assert limit_sentence(found, 4) == ("latency <= 500 ms excludes 3 of 9; memory <= 24 GB (all of one L4) excludes "
                                        "2 of 9; together they exclude 4")


def test_an_amount_that_is_no_number_meets_no_limit():
    class Nothing(LmOnlyCost):
        def cost(self, points):
            return np.full(len(points), np.nan)

    cost = LimitedCost(base=PaperCost(), limits=((Limit(kind="flops", value=1e15), Nothing()),))
    assert np.isinf(cost.cost(POINTS)).all()
