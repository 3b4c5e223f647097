"""Laws that could be true, for questions asked before there are data.

Exponents lie where published laws of this kind lie (Hoffmann et al. 2022, arXiv 2203.15556: 0.34 and 0.28; Li et al.
2024, arXiv 2411.03312, and Wang et al., ACL 2025: decay rates of order 0.1 to 1 per factor); a term contributes to the
error, at the middle of a plan, what terms of its kind do in video question answering. Nobody knows these ranges to be
right, so every answer that rests on them is given with its range over laws.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from vidscale.errors import InputError
from vidscale.fit import Layout
from vidscale.forms import Posynomial
from vidscale.space import DATA_SIZE

Floats = NDArray[np.float64]

#: Ranges of decay rates in a factor and in the data size, and of exponents free in sign.
DECAY, DATA_DECAY, FREE = (0.2, 1.2), (0.2, 0.8), (-0.3, 0.6)

#: Ranges of what a term adds to the error at the middle of the plan.
CONSTANT, ONE_FACTOR, DATA, MIXED, EVERYTHING = (0.05, 0.25), (0.03, 0.2), (0.01, 0.05), (0.005, 0.04), (0.1, 0.4)

#: Errors a law may take at the plan's runs.
ERRORS = (0.03, 0.95)

_TRIES = 2000


def typical_laws(layout: Layout, x: Floats, count: int, seed: int = 0) -> Floats:
    """Random laws of a form, shape (count, parameters), centred as the layout is.

    Args:
        layout: the form over the plan's runs.
        x: factor values of the runs, shape (runs, factors of the form).
        count: how many.
        seed: of the draw.

    Raises:
        InputError: no law of the form in these ranges stays an error over the runs; a range this wide has none.
    """
    rng = np.random.default_rng([seed, 21])
    form, found = layout.form, []
    logs = np.log(x) - layout.center
    for _ in range(_TRIES * count):
        exponents = [_exponent(form, name, rng) for name in form.exponent_names]
        sizes = [_size(form, j, rng) for j in range(len(form.terms))]
        powers = form.exponent_matrix(dict(zip(form.exponent_names, exponents)))
        errors = np.exp(logs @ powers.T) @ np.array(sizes)
        if ERRORS[0] < errors.min() and errors.max() < ERRORS[1]:
            found.append([*sizes, *exponents])
            if len(found) == count:
                return np.array(found)
    raise InputError(f"no typical law of form {form.name!r} stays between {ERRORS[0]:g} and {ERRORS[1]:g} over the "
                     "plan's runs, which span too much; give a fit to judge the plan by")


def laws_of_parameters(layout: Layout, parameters: Sequence[Mapping[str, float]]) -> Floats:
    """Given laws, in natural units, as `typical_laws` returns them."""
    natural = np.array([[values[name] for name in layout.form.parameters] for values in parameters])
    return np.array([layout.to_centred(row) for row in natural])


def _exponent(form: Posynomial, name: str, rng: np.random.Generator) -> float:
    low, high = form.exponent_bounds(name)
    users = {factor for term in form.terms for factor, e in term.exponents.items() if e.parameter == name}
    typical = FREE if low < 0 else DATA_DECAY if users == {DATA_SIZE} else DECAY
    near, far = max(low, typical[0]), min(high, typical[1])
    return float(rng.uniform(near, far) if near < far else rng.uniform(low, high))


def _size(form: Posynomial, j: int, rng: np.random.Generator) -> float:
    """What term j adds to the error at the middle of the plan."""
    term = form.terms[j]
    if not term.exponents:
        return float(rng.uniform(*CONSTANT))
    if set(term.exponents) == {DATA_SIZE}:
        return float(rng.uniform(*DATA))
    if len(term.exponents) == 1:
        low, high = ONE_FACTOR
    else:
        alone = sum(len(other.exponents) > 0 for other in form.terms) == 1
        low, high = EVERYTHING if alone else MIXED
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))
