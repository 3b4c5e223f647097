"""Gemstones: four additive fits with a constant, one of which wants no constant at all.

Data and published fits: McLeish et al. 2025, "Gemstones: A Model Suite for Multi-Faceted Scaling Laws".
"""

import numpy as np
import pytest

from vidscale.fit import FitSettings, FitStatus, fit
from vidscale.forms import Exponent, Posynomial, Term

HUBER = FitSettings(loss="log-huber", delta=1e-3)

#: file, columns, rows, sum of losses they print, sum at the optimum.
TABLE = [
    ("hot.jsonl", ("params_active_precise", "tokens"), 220, 0.0019816129, 0.0019816128),
    ("hot_100b+.jsonl", ("params_active_precise", "tokens"), 770, 0.0065925344, 0.0065925342),
    ("hot_100b+.jsonl", ("width", "depth", "tokens"), 770, 0.0038782174, 0.0038782174),
    ("cool_end.jsonl", ("params_active_precise", "tokens"), 199, 0.0019640865, 0.0019640864),
]


def additive(columns: tuple[str, ...]) -> Posynomial:
    terms = [Term(coefficient=f"c_{c}", exponents={c: Exponent.parse(f"-a_{c}")}) for c in columns]
    return Posynomial(name="additive", factors=columns, terms=(*terms, Term(coefficient="E")))


@pytest.mark.parametrize(("name", "columns", "rows", "printed", "optimum"), TABLE)
def test_the_objective_is_at_most_the_published_one(gemstones, name, columns, rows, printed, optimum):
    x, loss = gemstones(name, columns)
    found = fit(additive(columns), x, loss, settings=HUBER)
    assert found.rows == rows
    assert found.loss_sum <= printed
    assert found.loss_sum == pytest.approx(optimum, rel=1e-7)
    assert found.status is FitStatus.CERTAIN


def test_parameters_of_the_hot_fit(gemstones):
    columns = ("params_active_precise", "tokens")
    found = fit(additive(columns), *gemstones("hot.jsonl", columns), settings=HUBER).parameters
    assert found["a_params_active_precise"] == pytest.approx(0.2929, abs=5e-5)
    assert found["a_tokens"] == pytest.approx(0.7130, abs=5e-5)
    # The valley is flat: the same optimum to 8 digits of the loss fixes log coefficients to three.
    assert np.log(found["c_params_active_precise"]) == pytest.approx(5.3613, rel=5e-4)
    assert np.log(found["c_tokens"]) == pytest.approx(15.416, rel=5e-4)
    assert np.log(found["E"]) == pytest.approx(0.7623, rel=5e-4)


def test_the_constant_of_width_and_depth_is_gone_and_said_to_be(gemstones):
    columns = ("width", "depth", "tokens")
    found = fit(additive(columns), *gemstones("hot_100b+.jsonl", columns), settings=HUBER)
    assert found.parameters["E"] == 0.0
    assert found.certificate.gone == ("E",)
    assert any("E" in s and "bound 0" in s for s in found.certificate.sentences())
