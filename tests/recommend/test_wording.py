"""How recommendations put numbers into words."""

import pytest

from vidscale.recommend.wording import percent


@pytest.mark.parametrize(("fraction", "said"), [(0.2, "20 %"), (-0.0034, "\N{MINUS SIGN}0.34 %"), (1e-7, "1e-05 %"),
                                                (-1e-7, "\N{MINUS SIGN}1e-05 %"), (0.0, "0 %")])
def test_a_loss_has_a_minus_sign_and_an_exponent_its_own(fraction, said):
    assert percent(fraction) == said
