"""A form and its data as the arrays the kernel takes.

Factors are centred in log at their geometric means, so a coefficient is the contribution of its term at a
typical row: coefficients are of one size whatever the units, and bounds on them have a meaning.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vidscale.errors import InputError
from vidscale.forms import Posynomial

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: A coefficient may exceed the largest error by this factor at the centre of the data.
LARGEST = 1e4
#: A term that contributes less than this share of the smallest fitted error counts as gone.
GONE = 1e-6


@dataclass(frozen=True, kw_only=True, eq=False)
class Layout:
    """How a form's parameters enter its terms, in the index arrays the kernel walks.

    Entry e of term j (ptr[j] <= e < ptr[j+1]) says: factor ent_k[e] has ent_m[e] times parameter ent_p[e].
    base[j, k] holds exponents that are plain numbers. Pinned parameters are held by equal bounds.
    """

    form: Posynomial
    ptr: Ints
    ent_k: Ints
    ent_p: Ints
    ent_m: Floats
    base: Floats
    center: Floats
    pins: Mapping[str, float]

    @property
    def size(self) -> int:
        """Number of parameters, pinned ones included."""
        return len(self.form.parameters)

    @property
    def free(self) -> int:
        """Number of parameters that the fit may move."""
        return self.size - len(self.pins)

    def arrays(self) -> tuple[Ints, Ints, Ints, Floats, Floats]:
        """The kernel's layout arguments in order."""
        return self.ptr, self.ent_k, self.ent_p, self.ent_m, self.base

    def centred(self, x: Floats) -> Floats:
        """log x − centre, shape (rows, factors)."""
        return np.ascontiguousarray(np.log(x) - self.center)

    def to_natural(self, theta: Floats) -> Floats:
        """Parameters in natural units from centred θ: coefficients, then exponents; any leading shape."""
        theta = np.asarray(theta, dtype=np.float64)
        terms = len(self.form.terms)
        out = theta.copy()
        shift = np.einsum("jk,k->j", self.base, self.center) + np.zeros((*theta.shape[:-1], terms))
        for j in range(terms):
            for e in range(self.ptr[j], self.ptr[j + 1]):
                shift[..., j] += theta[..., self.ent_p[e]] * self.ent_m[e] * self.center[self.ent_k[e]]
        with np.errstate(over="ignore"):
            out[..., :terms] = theta[..., :terms] * np.exp(-shift)
        return out

    def to_centred(self, parameters: Floats) -> Floats:
        """Centred θ from natural parameters; the inverse of `to_natural`."""
        out = np.asarray(parameters, dtype=np.float64).copy()
        terms = len(self.form.terms)
        shift = np.einsum("jk,k->j", self.base, self.center)
        for j in range(terms):
            for e in range(self.ptr[j], self.ptr[j + 1]):
                shift[j] += out[self.ent_p[e]] * self.ent_m[e] * self.center[self.ent_k[e]]
        out[:terms] *= np.exp(shift)
        return out


def layout(
    form: Posynomial, x: Floats, pins: Mapping[str, float] | None = None, center: Floats | None = None
) -> Layout:
    """Lay a form out over data.

    Args:
        form: the form.
        x: factor values, shape (rows, factors).
        pins: parameters held at a value (in natural units) instead of fitted.
        center: log factors to centre at, in place of the data's geometric means, shape (factors,).

    Raises:
        InputError: an unknown parameter is pinned, or a coefficient whose exponents are fitted.
    """
    pins = dict(pins or {})
    for name, value in pins.items():
        _check_pin(form, name, value)
    ptr, ent_k, ent_p, ent_m = [0], [], [], []
    base = np.zeros((len(form.terms), len(form.factors)))
    for j, term in enumerate(form.terms):
        for k, factor in enumerate(form.factors):
            exponent = term.exponents.get(factor)
            if exponent is None:
                continue
            if exponent.parameter is None:
                base[j, k] = exponent.scale
            else:
                ent_k.append(k)
                ent_p.append(form.parameters.index(exponent.parameter))
                ent_m.append(exponent.scale)
        ptr.append(len(ent_k))
    return Layout(form=form, ptr=np.array(ptr, dtype=np.int64), ent_k=np.array(ent_k, dtype=np.int64),
                  ent_p=np.array(ent_p, dtype=np.int64), ent_m=np.array(ent_m, dtype=np.float64), base=base,
                  center=np.log(x).mean(axis=0) if center is None else center, pins=pins)


def _check_pin(form: Posynomial, name: str, value: float) -> None:
    if name not in form.parameters:
        raise InputError(f"cannot pin {name!r}: form {form.name!r} has {', '.join(form.parameters)}")
    if not np.isfinite(value):
        raise InputError(f"cannot pin {name} at {value!r}; give a finite number")
    if name not in form.coefficients:
        return
    if value < 0:
        raise InputError(f"cannot pin {name} at {value:g}; a coefficient is >= 0")
    moving = [e.parameter for e in form.terms[form.coefficients.index(name)].exponents.values() if e.parameter]
    if moving:
        raise InputError(f"cannot pin {name}: it multiplies a power whose exponent ({', '.join(moving)}) is fitted, so "
                         "its value depends on units; pin the exponent, or the coefficient of a constant term")


def bounds(layout_: Layout, log_error: Floats) -> tuple[Floats, Floats]:
    """Box for θ in centred units given the log errors of the rows in use; shape (P,) each."""
    form = layout_.form
    terms = len(form.terms)
    lower = np.zeros(layout_.size)
    upper = np.full(layout_.size, np.exp(log_error.max()) * LARGEST)
    for j, name in enumerate(form.coefficients):
        if name in form.bounds:
            low, high = form.bounds[name]
            shift = np.exp(layout_.base[j] @ layout_.center)
            lower[j], upper[j] = low * shift, min(upper[j], high * shift)
    for p, name in enumerate(form.exponent_names, start=terms):
        lower[p], upper[p] = form.exponent_bounds(name)
    for name, value in layout_.pins.items():
        p = form.parameters.index(name)
        at = value * np.exp(layout_.base[p] @ layout_.center) if p < terms else value
        lower[p] = upper[p] = at
    return lower, upper


def starting_exponents(layout_: Layout, count: int, rng: np.random.Generator) -> Floats:
    """Exponents for `count` starts by Latin hypercube, shape (count, exponents).

    Decay rates are drawn from (0, 1.6), the range laws of this field live in, cut to the bounds; exponents free in
    sign from (−1.2, 1.2). Every fourth start takes the whole range of its bounds.
    """
    names = layout_.form.exponent_names
    strata = rng.permuted(np.tile(np.arange(count), (len(names), 1)), axis=1).T
    cells = (strata + rng.random((count, len(names)))) / count
    for p, name in enumerate(names):
        low, high = layout_.form.exponent_bounds(name)
        low, high = max(low, -1.2), min(high, 1.6 if low >= 0 else 1.2)
        if name in layout_.pins:
            low = high = layout_.pins[name]
        elif low >= high:
            low, high = layout_.form.exponent_bounds(name)
        wide_low, wide_high = (low, high) if name in layout_.pins else layout_.form.exponent_bounds(name)
        narrow, wide = low + cells[:, p] * (high - low), wide_low + cells[:, p] * (wide_high - wide_low)
        cells[:, p] = np.where(np.arange(count) % 4 == 3, wide, narrow)
    return cells
