"""What a plan can tell: against known truths and what must hold whatever the law."""

from functools import cache

import numpy as np
import pytest

from vidscale.design import grid_design, isoflop_design, join_designs, star_design
from vidscale.errors import InputError
from vidscale.fit import layout
from vidscale.fit.certificate import jacobian
from vidscale.forms import form
from vidscale.space import Lattice
from vidscale.study.plan_information import InformationSettings, _play, plan_information
from vidscale.study.typical_laws import ERRORS, laws_of_parameters, typical_laws

QUICK = {"laws": 3, "draws": 40}


@cache
def told(name: str, seeds: int = 1, **given):
    plan = join_designs([star_design(seeds=range(seeds)), isoflop_design(seeds=range(seeds))])
    return plan_information(plan, InformationSettings(form=name, **{**QUICK, **given}))


def test_the_rank_is_that_of_finite_differences():
    plan = join_designs([star_design()])
    x = plan.points()
    lay = layout(form("add-interact"), x)
    theta = typical_laws(lay, x, 1)[0]
    exact, _ = jacobian(lay, x, theta)

    def log_error(t):
        return np.log(lay.form.evaluate(dict(zip(lay.form.parameters, lay.to_natural(t))), x))

    terms, found = len(lay.form.terms), []
    for p in range(lay.size):
        step = np.zeros(lay.size)
        step[p] = 1e-5 * (theta[p] if p < terms else 1.0)
        found.append((log_error(theta + step) - log_error(theta - step)) / 2e-5)
    assert np.allclose(np.array(found).T, exact, atol=1e-6)


def test_a_sound_plan_has_full_rank():
    for name, size in (("mult", 6), ("add", 9), ("add-interact", 15)):
        found = told(name, draws=2)
        assert (found.rank.low, found.rank.high, found.parameters) == (size, size, size)
        assert found.confounded == ()


def test_two_data_sizes_cannot_tell_the_floor_from_the_data_term():
    """ξ n^-d + ε at two n: three unknowns, two equations."""
    found = plan_information(join_designs([grid_design(data_sizes=[1e5, 1e6], dearest=15e12)]),
                             InformationSettings(form="add", laws=2, draws=4))
    assert (found.rank.high, found.parameters) == (8, 9)
    assert set(found.confounded) == {"xi", "d", "epsilon"}
    (d,) = (each for each in found.exponents if each.name == "d")
    assert d.half_width.median == pytest.approx(1.5)  # the whole of its range [0, 3]
    # A third data size tells them apart, and is what is suggested.
    assert {each.data_size for each in found.additions} <= {5e4, 2e6}


def test_what_does_not_vary_is_said():
    found = plan_information(join_designs([star_design(data_sizes=[1e6])]), InformationSettings(laws=2, draws=4))
    assert "data_size" not in found.form.factors
    assert any("xi cannot be told from epsilon" in note for note in found.notes)
    assert found.elasticities == ()
    assert {each.data_size for each in found.additions} == {1e6}


def test_more_parameters_than_runs_is_said():
    lattice = Lattice(name="few", levels={"lm_params": np.array([1e9, 7.5e9]), "frames": np.array([8.0, 32]),
                                          "tokens_per_frame": np.array([16.0, 196])})
    plan = join_designs([star_design(lattice=lattice, data_sizes=[5e5, 1e6])])
    found = plan_information(plan, InformationSettings(laws=2, draws=4))
    assert found.distinct == len(plan) < found.parameters
    assert found.rank.high <= found.distinct
    assert any("will be refused" in note for note in found.notes)


def test_played_through_fits_scatter_as_linear_theory_says():
    """Fits of mult, which is well determined, against their sandwich covariance."""
    x = join_designs([star_design(), isoflop_design()]).points()
    lay = layout(form("mult"), x)
    theta = typical_laws(lay, x, 3)
    fits = _play(lay, x, theta, InformationSettings(form="mult", laws=3, draws=300))
    for law, draws in zip(theta, fits):
        J, values = jacobian(lay, x, law)
        error = values.sum(axis=1)
        variance = (1 - error) / (error * 3000) + 0.01**2
        bread = np.linalg.inv(J.T @ J)  # the fit weighs runs alike, whatever their noise
        expected = np.sqrt(np.diag(bread @ (J.T * variance) @ J @ bread))
        assert draws[:, 2:].std(axis=0) == pytest.approx(expected[2:], rel=0.15)


def test_four_seeds_halve_the_widths():
    one, four = told("mult"), told("mult", 4)
    ratio = [a.half_width.median / b.half_width.median for a, b in zip(one.exponents, four.exponents)]
    assert np.median(ratio) == pytest.approx(2.0, rel=0.3)
    for factor in range(3):
        assert one.elasticities[factor].half_width.high >= four.elasticities[factor].half_width.high - 1e-9


def test_more_questions_narrow_what_is_known():
    few, many = told("mult", n_eval=300), told("mult", n_eval=30000)
    assert all(a.half_width.median > b.half_width.median for a, b in zip(few.exponents, many.exponents))
    assert np.mean([each.regret.high for each in few.frontier]) >= np.mean([e.regret.high for e in many.frontier])


def test_without_noise_the_truth_is_found():
    plan = join_designs([star_design(), isoflop_design()])
    found = plan_information(plan, InformationSettings(form="add", laws=2, draws=3, n_eval=1e12, run_noise=0.0))
    assert all(each.half_width.high < 1e-3 for each in found.exponents)
    assert all(each.same.low == 1.0 and each.regret.high == 0.0 for each in found.frontier)


def test_given_laws_are_used_as_they_are():
    law = {"alpha": 5.0, "epsilon": 0.1, "a_N": 0.05, "a_T": 0.2, "a_V": 0.1, "d": 0.05}
    plan = join_designs([star_design()])
    found = plan_information(plan, InformationSettings(form="mult", draws=4), parameters=[law], source="a fit")
    assert {each.name: pytest.approx(each.value.median) for each in found.exponents} == {
        k: law[k] for k in ("a_N", "a_T", "a_V", "d")}
    lay = layout(form("mult"), plan.points())
    assert lay.to_natural(laws_of_parameters(lay, [law]))[0] == pytest.approx([law[k] for k in lay.form.parameters])
    with pytest.raises(InputError, match="does not vary data_size"):
        plan_information(join_designs([star_design(data_sizes=[1e6])]), InformationSettings(form="mult"),
                         parameters=[law])


@pytest.mark.parametrize("name", ["mult", "add", "add-interact-s", "add-interact", "chinchilla", "li"])
def test_typical_laws_stay_errors_and_within_bounds(name):
    points = join_designs([star_design(), isoflop_design()]).points()
    chosen = form(name)
    x = points[:, [("lm_params", "frames", "tokens_per_frame", "data_size").index(f) for f in chosen.factors]]
    lay = layout(chosen, x)
    laws = typical_laws(lay, x, 5, seed=3)
    assert np.array_equal(laws, typical_laws(lay, x, 5, seed=3))
    for law in lay.to_natural(laws):
        values = dict(zip(chosen.parameters, law))
        error = chosen.evaluate(values, x)
        assert ERRORS[0] < error.min() < error.max() < ERRORS[1]
        for exponent in chosen.exponent_names:
            low, high = chosen.exponent_bounds(exponent)
            assert low <= values[exponent] <= high


@pytest.mark.parametrize("given", [{"laws": 0}, {"draws": 1}, {"n_eval": 0}, {"run_noise": -1}, {"level": 1.0}])
def test_impossible_settings(given):
    with pytest.raises(InputError):
        InformationSettings(**given)
