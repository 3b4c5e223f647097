"""The paper's cost formula against hand calculations (METHOD section 1) and in its shape."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidscale.cost import CostModel, LmOnlyCost, PaperCost
from vidscale.errors import InputError

POINT = st.tuples(
    st.floats(1e8, 1e11), st.integers(1, 512).map(float), st.integers(1, 1024).map(float)
).map(lambda p: np.array([p]))


def test_the_centre_of_the_star_costs_115_teraflops_of_which_18_percent_encode() -> None:
    centre = np.array([[7.5e9, 32, 196]])
    assert PaperCost().cost(centre)[0] == pytest.approx(2 * 32 * (0.43e9 * 768 + 7.5e9 * 196))
    assert round(PaperCost().cost(centre)[0] / 1e12, 1) == 115.2
    assert round(100 * PaperCost().encoder_share(centre)[0], 1) == 18.3


def test_the_encoder_is_about_half_of_a_7_5b_model_at_50_tokens() -> None:
    share = PaperCost().encoder_share(np.array([[7.5e9, 8, 50], [7.5e9, 8, 44], [7.5e9, 8, 45]]))
    assert round(100 * share[0], 1) == 46.8
    assert share[1] > 0.5 > share[2]
    assert pytest.approx(44.03, abs=0.01) == 0.43e9 * 768 / 7.5e9


def test_the_cheapest_published_configuration_costs_more_than_the_smallest_budget() -> None:
    assert PaperCost().cost(np.array([[1e9, 4, 4]]))[0] / 1e12 == pytest.approx(2.67, abs=0.005)


@given(POINT, st.integers(0, 2), st.floats(1.01, 8))
def test_cost_rises_in_each_factor(point: np.ndarray, factor: int, times: float) -> None:
    more = point.copy()
    more[0, factor] *= times
    for model in (PaperCost(), LmOnlyCost()):
        assert model.cost(more)[0] > model.cost(point)[0]


@given(POINT)
def test_leaving_the_encoder_out_never_costs_more(point: np.ndarray) -> None:
    true, lm = PaperCost().cost(point)[0], LmOnlyCost().cost(point)[0]
    assert lm < true
    assert PaperCost().encoder_share(point)[0] == pytest.approx(1 - lm / true)
    assert LmOnlyCost().encoder_share(point)[0] == 0


@given(POINT)
def test_the_posynomial_terms_are_the_same_cost(point: np.ndarray) -> None:
    for model in (PaperCost(), LmOnlyCost()):
        terms = model.terms()
        assert terms is not None
        assert np.exp(terms.log_coefficients + terms.exponents @ np.log(point[0])).sum() == pytest.approx(
            model.cost(point)[0], rel=1e-12
        )
        assert isinstance(model, CostModel)


@pytest.mark.parametrize("bad", [0.0, -1.0, float("nan"), float("inf")])
def test_an_impossible_encoder_is_refused(bad: float) -> None:
    with pytest.raises(InputError, match="encoder_params"):
        PaperCost(encoder_params=bad)
    with pytest.raises(InputError, match="encoder_tokens"):
        PaperCost(encoder_tokens=bad)
