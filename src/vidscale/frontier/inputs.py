"""What every search checks before it starts: laws, budgets, data sizes, costs."""

from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vidscale.cost import CostModel
from vidscale.cost.constraints import excluded, exclusions, limit_sentence
from vidscale.cost.units import spoken
from vidscale.errors import InputError
from vidscale.forms import Laws
from vidscale.space import FACTORS_AND_DATA, Lattice

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: A configuration is affordable when cost <= budget · (1 + this): budgets are often printed costs read back.
COST_TOLERANCE = 1e-12

#: The last few cost models that priced a lattice, and the prices: a measured cost takes longer than the search itself.
_PRICED: WeakKeyDictionary[Lattice, list[tuple[CostModel, Floats]]] = WeakKeyDictionary()
_KEPT = 4


def checked_laws(laws: Laws) -> Laws:
    """The laws as functions of lm_params, frames, tokens_per_frame and data_size.

    Raises:
        InputError: the batch is empty, a law has no live term, or a number in it is not usable.
    """
    if len(laws) == 0:
        raise InputError("there are no laws to search; pass a batch of at least one")
    logs, exponents = laws.log_coefficients, laws.exponents
    numbers = ~(np.isnan(logs) | (logs == np.inf)).any(axis=1) & np.isfinite(exponents).all(axis=(1, 2))
    usable = numbers & np.isfinite(logs).any(axis=1)
    if not usable.all():
        law = int(np.argmin(usable))
        if not numbers[law]:
            raise InputError(f"law {law} has a coefficient or an exponent that is no number; "
                             "allowed are finite exponents and log coefficients below infinity; refit it or drop it")
        raise InputError(f"law {law} has no term left (every coefficient is 0); drop it from the batch")
    return laws.over(FACTORS_AND_DATA)


def positive(values: ArrayLike, name: str) -> Floats:
    """One or more positive numbers as a vector.

    Raises:
        InputError: there is none, or one is not positive.
    """
    vector = np.atleast_1d(np.asarray(values, dtype=np.float64))
    if vector.ndim != 1 or vector.size == 0:
        raise InputError(f"{name} has shape {vector.shape}; give one or more positive numbers")
    wrong = np.flatnonzero(~(vector > 0))
    if wrong.size:
        raise InputError(f"{name}[{wrong[0]}] is {vector[wrong[0]]:g}; allowed are positive numbers")
    return vector


def finite_positive(values: ArrayLike, name: str) -> Floats:
    """`positive`, and finite too."""
    vector = positive(values, name)
    if np.any(np.isinf(vector)):
        raise InputError(f"{name} holds an infinite value; allowed are finite positive numbers")
    return vector


def lattice_cost(lattice: Lattice, cost_model: CostModel) -> Floats:
    """The cost of every configuration of a lattice, shape (points,); infinite where it cannot be bought at all.

    Raises:
        InputError: the cost model gives something that is no positive number, or nothing finite.
    """
    for known, prices in _PRICED.get(lattice, ()):
        if known is cost_model:
            return prices.copy()
    cost = np.asarray(cost_model.cost(lattice.points), dtype=np.float64)
    wrong = np.flatnonzero(~(cost > 0))
    if wrong.size:
        raise InputError(f"cost model {cost_model.name!r} prices {lattice.configuration(int(wrong[0]))} at "
                         f"{cost[wrong[0]]:g}; a cost must be positive")
    if not np.any(np.isfinite(cost)):
        limits = _limits(lattice, cost_model)
        raise InputError(f"no configuration of lattice {lattice.name!r} can be bought{limits}; "
                         f"{'loosen a limit or ' if limits else ''}choose another lattice")
    if cost_model.terms() is None:  # a formula is quicker than remembering it
        _PRICED[lattice] = [*_PRICED.get(lattice, ())[1 - _KEPT :], (cost_model, cost)]
    return cost.copy()


def _limits(lattice: Lattice, cost_model: CostModel) -> str:
    """What limits take away, to end a message with; empty without limits."""
    said = limit_sentence(exclusions(cost_model, lattice.points), excluded(cost_model, lattice.points))
    return f" within the limits ({said})" if said else ""


def check_budgets(budgets: ArrayLike, lattice: Lattice, cost_model: CostModel) -> Floats:
    """The budgets as a vector, each of them enough for at least one configuration.

    Args:
        budgets: in the unit of the cost model.
        lattice: what may be chosen.
        cost_model: what it costs.

    Raises:
        InputError: a budget is below the cost of the cheapest configuration; the message names both.
    """
    vector = positive(budgets, "budgets")
    cost = lattice_cost(lattice, cost_model)
    cheapest = int(np.argmin(cost))
    short = np.flatnonzero(cost[cheapest] > vector * (1 + COST_TOLERANCE))
    if short.size:
        n, t, v = lattice.points[cheapest]
        given, least = (spoken(float(amount), cost_model.unit) for amount in (vector[short[0]], cost[cheapest]))
        limits = _limits(lattice, cost_model)
        raise InputError(
            f"budget {given} buys nothing in lattice {lattice.name!r}{limits}: its cheapest configuration "
            f"(lm_params={n:.4g}, frames={t:g}, tokens_per_frame={v:g}) costs {least}; raise the budget"
            f"{', loosen a limit' if limits else ''} or add smaller levels")
    return vector
