"""What the test of fit says to people."""

from dataclasses import replace

from vidscale.validate.noise import Noise


def test_a_p_value_too_small_to_hold_is_not_called_zero():
    noise = Noise(run_variance=0.0144, misfit_variance=0.0144, counted=True, freedom=100.0, fit_p=0.0)
    assert "(p < 1e-6)" in noise.sentence()
    assert "12 %" in noise.sentence()
    assert "(p = 0.002)" in replace(noise, fit_p=0.002).sentence()
    assert replace(noise, misfit_variance=0.0).sentence() is None
