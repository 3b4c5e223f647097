"""Money by hand calculation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidscale.cost.dollars import dollars_per_million, price
from vidscale.cost.hardware import gpu
from vidscale.errors import InputError


def test_by_hand() -> None:
    # A tenth of a second each: 1e5 GPU-seconds, 27.78 hours, at 3.60 an hour 100 dollars.
    assert dollars_per_million(0.1, 3.6) == pytest.approx(100)
    assert dollars_per_million(0.1, 3.6, busy=0.25) == pytest.approx(400)
    found = price(np.array([0.1, 0.2]), gpu("h200"))
    np.testing.assert_allclose(found.dollars, np.array([0.1, 0.2]) * 1e6 / 3600 * 3.5)
    np.testing.assert_allclose(found.kilowatt_hours_at_most, np.array([0.1, 0.2]) * 1e6 / 3600 * 0.7)
    own = price(0.1, gpu("h200").at_price(3.6))
    assert own.low == own.dollars == own.high == pytest.approx(100)


@given(st.floats(1e-4, 1e3), st.sampled_from(["a100", "l4", "b200", "4090"]), st.floats(0.01, 1))
def test_the_price_lies_between_those_seen_and_grows_with_idling(seconds: float, name: str, busy: float) -> None:
    found = price(seconds, gpu(name), busy=busy)
    assert found.low <= found.dollars <= found.high
    assert found.dollars >= price(seconds, gpu(name)).dollars


@pytest.mark.parametrize(("arguments", "said"), [
    ((-1.0, 2.0, 1.0), "GPU-seconds"), ((float("nan"), 2.0, 1.0), "GPU-seconds"), ((1.0, -2.0, 1.0), "price"),
    ((1.0, float("inf"), 1.0), "price"), ((1.0, 2.0, 0.0), "busy"), ((1.0, 2.0, 1.1), "busy"),
])
def test_what_cannot_be(arguments: tuple[float, float, float], said: str) -> None:
    seconds, dollars, busy = arguments
    with pytest.raises(InputError, match=said):
        dollars_per_million(seconds, dollars, busy=busy)
