"""What vidscale says, held against worlds whose truth is known (see simulation.py)."""

import json

import numpy as np
import pytest
from simulation import PAGE, RECORDED, campaign, render, simulate, summarise
from truths import ERROR_RANGE, OUTSIDE, design_points, random_law


def check_promises(inside: dict) -> None:
    """The promises for laws of the family, on the summary of a campaign."""
    assert inside["regret_point"]["share_within_1_percent"] >= 0.9
    assert inside["regret_bagged"]["share_within_1_percent"] >= 0.9
    for interval in ("mean", "new"):
        for place in ("design", "frontier", "twice_n"):
            assert 0.85 <= inside[f"coverage_{interval}_{place}"]["average"] <= 0.95, (interval, place)
    for estimator, share in inside["elasticity_coverage"].items():
        assert 0.80 <= share <= 0.97, estimator


def test_recorded_campaign_keeps_the_promises():
    recorded = json.loads(RECORDED.read_text())
    assert recorded["inside"]["worlds"] >= 20
    assert recorded["questions"] == 3000
    check_promises(recorded["inside"])
    for name in OUTSIDE:
        ours = recorded[name]["regret_point"]["mean"]
        assert all(ours < theirs for theirs in recorded[name]["regret_of_policies_without_data"].values()), name


def test_the_page_shows_the_record():
    assert PAGE.read_text(encoding="utf-8") == render(json.loads(RECORDED.read_text(encoding="utf-8")))


@pytest.mark.slow
def test_campaign_keeps_the_promises():
    found = campaign(40, 3, 4)
    check_promises(found["inside"])


def test_quick_campaign():
    """Four laws, few draws: regret is firm even so, coverage only roughly."""
    results = [simulate(random_law(100 + k), k, draws=40, elasticities=k == 0) for k in range(4)]
    found = summarise([{k: v for k, v in r.items() if k != "elasticities"} for r in results])
    assert found["regret_point"]["worst"] <= 0.02
    assert found["coverage_mean_design"]["average"] >= 0.7
    assert found["coverage_new_design"]["average"] >= 0.8
    for case in results[0]["elasticities"]:
        assert case["low"] <= case["high"]
    for policy, regret in found["regret_of_policies_without_data"].items():
        assert found["regret_point"]["mean"] < regret, policy


def test_random_laws_are_posynomials_in_range_and_differ():
    first, second = random_law(1), random_law(2)
    points = design_points()
    assert not np.allclose(first.error(points), second.error(points))
    for world in (first, second):
        assert ERROR_RANGE[0] < world.error(points).min() < world.error(points).max() < ERROR_RANGE[1]


@pytest.mark.parametrize("kind", OUTSIDE)
def test_a_wrong_form_is_noticed(kind):
    """Outside the family the recommendation still beats choices without data, and intervals widen."""
    found = simulate(OUTSIDE[kind](3), 3, draws=30, elasticities=False)
    assert found["regret_point"] < min(found["policies"].values())
    assert found["mean_design"] >= 0.7
