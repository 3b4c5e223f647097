"""An error form is data: a sum of monomials with positive coefficients.

    f(x) = Σ_j c_j Π_k x_k^(e_jk)        c_j > 0,  e_jk = 0, a number, or ± a named parameter

Write θ for the log coefficients and the named exponents together. Then log f = logsumexp_j (φ_j · θ) with φ
linear in log x (Boyd & Vandenberghe, Convex Optimization, 4.5): one kernel evaluates, fits and minimises every
form of the catalogue and every form a user declares.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from vidscale.errors import InputError

Floats = NDArray[np.float64]

#: Where an exponent may lie unless a form says otherwise: decay rates, and exponents free in sign.
DECAY_BOUNDS = (0.0, 3.0)
FREE_BOUNDS = (-3.0, 3.0)


@dataclass(frozen=True, kw_only=True)
class Exponent:
    """The power of one factor in one term: `scale` times a named parameter, or the number `scale` itself."""

    parameter: str | None
    scale: float

    @classmethod
    def parse(cls, text: str | float) -> "Exponent":
        """Read "-a_N", "b", "2*g" or a number.

        Raises:
            InputError: the text is none of these.
        """
        if isinstance(text, int | float) and not isinstance(text, bool):
            return cls(parameter=None, scale=_number(text, text))
        body = text.strip() if isinstance(text, str) else ""
        scale = 1.0
        if body.startswith(("+", "-")):
            scale = -1.0 if body[0] == "-" else 1.0
            body = body[1:].strip()
        if "*" in body:
            number, body = (part.strip() for part in body.split("*", 1))
            scale *= _number(number, text)
        if body.isidentifier():
            return cls(parameter=body, scale=scale)
        return cls(parameter=None, scale=scale * _number(body, text))

    def __str__(self) -> str:
        if self.parameter is None:
            return f"{self.scale:g}"
        sign = "-" if self.scale < 0 else ""
        size = "" if abs(self.scale) == 1 else f"{abs(self.scale):g}*"
        return f"{sign}{size}{self.parameter}"


def _number(text: str | float, whole: object) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not np.isfinite(value):
        raise InputError(f"exponent {whole!r} is not understood; write a number, a parameter name, "
                         'a name with a sign ("-a_N") or a multiple ("2*g")')
    return value


@dataclass(frozen=True, kw_only=True)
class Term:
    """One monomial: a named positive coefficient times powers of factors; a factor not named has power 0."""

    coefficient: str
    exponents: Mapping[str, Exponent] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Posynomial:
    """A form of the error law: terms, the factors they may use, and where exponents may lie.

    Args:
        name: what tables and output call the form.
        factors: names of the factors, in the order of the columns of every x array.
        terms: the monomials; coefficient names are distinct.
        bounds: (lower, upper) for parameters that deviate from the defaults. An exponent that only occurs with a
            negative sign is a decay rate and defaults to [0, 3]; any other exponent to [-3, 3]. A coefficient is
            positive; only the coefficient of a term without named exponents may be bounded.
        source: where the form was published, or how it came about.
        note: anything a reader must know wherever the form is printed.

    Raises:
        InputError: no terms, repeated or clashing names, unknown factors, bounds that are empty or misplaced.

    Example:
        >>> form = Posynomial(name="power", factors=("frames",), terms=(
        ...     Term(coefficient="alpha", exponents={"frames": Exponent.parse("-a")}), Term(coefficient="epsilon")))
        >>> form.parameters
        ('alpha', 'epsilon', 'a')
    """

    name: str
    factors: tuple[str, ...]
    terms: tuple[Term, ...]
    bounds: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    source: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        if not self.terms:
            raise InputError(f"form {self.name!r} has no terms; declare at least one")
        if len(set(self.factors)) != len(self.factors):
            raise InputError(f"form {self.name!r} repeats a factor: {', '.join(self.factors)}")
        seen: set[str] = set()
        for number, term in enumerate(self.terms, start=1):
            if not term.coefficient.isidentifier():
                raise InputError(f"form {self.name!r}, term {number}: coefficient {term.coefficient!r} is no name; "
                                 "use letters, digits and underscores")
            if term.coefficient in seen:
                raise InputError(f"form {self.name!r}, term {number}: coefficient {term.coefficient!r} is used twice; "
                                 "every term has its own")
            seen.add(term.coefficient)
            for factor in term.exponents:
                if factor not in self.factors:
                    raise InputError(f"form {self.name!r}, term {number}: unknown factor {factor!r}; "
                                     f"the form's factors are {', '.join(self.factors)}")
        clash = sorted(seen & set(self.exponent_names))
        if clash:
            raise InputError(f"form {self.name!r}: {clash[0]!r} names a coefficient and an exponent; rename one")
        self._check_bounds()

    def _check_bounds(self) -> None:
        for name, (low, high) in self.bounds.items():
            if name not in self.parameters:
                raise InputError(f"form {self.name!r}: bounds given for unknown parameter {name!r}; "
                                 f"the parameters are {', '.join(self.parameters)}")
            if not low < high:
                raise InputError(f"form {self.name!r}: bounds of {name} are [{low}, {high}]; lower must be below upper")
            if name not in self.coefficients and not (np.isfinite(low) and np.isfinite(high)):
                raise InputError(f"form {self.name!r}: bounds of exponent {name} are [{low}, {high}]; give finite "
                                 "numbers")
            if name in self.coefficients:
                term = self.terms[self.coefficients.index(name)]
                if any(e.parameter for e in term.exponents.values()):
                    raise InputError(f"form {self.name!r}: coefficient {name!r} multiplies a power that is fitted, so "
                                     "bounds on it have no fixed meaning; bound its exponent, or pin it at fit time")
                if low < 0:
                    raise InputError(f"form {self.name!r}: lower bound of coefficient {name!r} is {low}; "
                                     "it must be >= 0")

    @cached_property
    def coefficients(self) -> tuple[str, ...]:
        """Coefficient names, one per term."""
        return tuple(term.coefficient for term in self.terms)

    @cached_property
    def exponent_names(self) -> tuple[str, ...]:
        """Names of the fitted exponents, in order of appearance; a shared one appears once."""
        names = (e.parameter for term in self.terms for _, e in self._ordered(term) if e.parameter)
        return tuple(dict.fromkeys(names))

    @cached_property
    def parameters(self) -> tuple[str, ...]:
        """All parameters: coefficients by term, then exponents. θ holds log coefficients, then exponents."""
        return self.coefficients + self.exponent_names

    def _ordered(self, term: Term) -> list[tuple[str, Exponent]]:
        return [(factor, term.exponents[factor]) for factor in self.factors if factor in term.exponents]

    def exponent_bounds(self, name: str) -> tuple[float, float]:
        """Where an exponent parameter may lie."""
        if name in self.bounds:
            low, high = self.bounds[name]
            return float(low), float(high)
        scales = [e.scale for term in self.terms for e in term.exponents.values() if e.parameter == name]
        return DECAY_BOUNDS if all(scale < 0 for scale in scales) else FREE_BOUNDS

    def exponent_matrix(self, exponents: Mapping[str, float]) -> Floats:
        """e_jk for given exponent values, shape (terms, factors)."""
        matrix = np.zeros((len(self.terms), len(self.factors)))
        for j, term in enumerate(self.terms):
            for factor, exponent in term.exponents.items():
                value = 1.0 if exponent.parameter is None else exponents[exponent.parameter]
                matrix[j, self.factors.index(factor)] = exponent.scale * value
        return matrix

    def term_values(self, parameters: Mapping[str, float], x: Floats) -> Floats:
        """The value of every term, shape (rows, terms).

        Args:
            parameters: coefficients (>= 0) and exponents by name, in natural units.
            x: factor values, shape (rows, factors), columns in the order of `factors`.
        """
        x = np.atleast_2d(np.asarray(x, dtype=np.float64))
        if x.shape[1] != len(self.factors):
            raise InputError(f"form {self.name!r} takes {len(self.factors)} factors "
                             f"({', '.join(self.factors)}); the array has {x.shape[1]} columns")
        coefficients = np.array([parameters[name] for name in self.coefficients])
        with np.errstate(divide="ignore"):
            return np.exp(np.log(coefficients) + np.log(x) @ self.exponent_matrix(parameters).T)

    def evaluate(self, parameters: Mapping[str, float], x: Floats) -> Floats:
        """f(x), shape (rows,): the error the law gives. Arguments as for `term_values`."""
        return self.term_values(parameters, x).sum(axis=1)

    def restrict(self, varying: Sequence[str]) -> tuple["Posynomial", tuple[str, ...]]:
        """The form as far as data can tell when only some factors vary, and a note on each term that went.

        A factor that does not vary is dropped from every term. A term that lost a factor, and now has the same
        factors as another term, cannot be told from that term and is dropped.

        Raises:
            InputError: none of the form's factors varies.
        """
        kept = tuple(factor for factor in self.factors if factor in varying)
        if not kept:
            raise InputError(f"form {self.name!r} uses {', '.join(self.factors)}; none of them varies in the data")
        lost = [factor for factor in self.factors if factor not in varying]
        if not lost:
            return self, ()
        reduced = [Term(coefficient=t.coefficient, exponents={f: e for f, e in self._ordered(t) if f in kept})
                   for t in self.terms]
        changed = [set(t.exponents) != set(r.exponents) for t, r in zip(self.terms, reduced)]
        order = sorted(range(len(reduced)), key=lambda j: changed[j])
        shapes: dict[frozenset[str], str] = {}
        notes, survivors = [], set()
        for j in order:
            shape = frozenset(reduced[j].exponents)
            if shape in shapes and changed[j]:
                notes.append(f"{self.name}: {reduced[j].coefficient} cannot be told from {shapes[shape]} "
                             f"because {', '.join(f for f in self.terms[j].exponents if f in lost)} does not vary")
            else:
                shapes.setdefault(shape, reduced[j].coefficient)
                survivors.add(j)
        terms = tuple(reduced[j] for j in range(len(reduced)) if j in survivors)
        trial = replace(self, factors=kept, terms=terms, bounds={})
        bounds = {name: value for name, value in self.bounds.items() if name in trial.parameters}
        return replace(trial, bounds=bounds), tuple(notes)

    def same_shape(self, other: "Posynomial") -> bool:
        """Whether two forms are the same law under other names (as restricted forms often are)."""
        return self._signature() == other._signature()

    def _signature(self) -> tuple[object, ...]:
        """What is left of a form without its names: terms in an order, and exponents numbered in an order, that
        neither the names nor the order of declaration decide."""
        terms = []
        for term in self.terms:
            powers = self._ordered(term)
            plain = tuple((f, e.scale, self.exponent_bounds(e.parameter) if e.parameter else ()) for f, e in powers)
            bounds = tuple(self.bounds.get(term.coefficient, (0.0, np.inf)))
            terms.append((plain, bounds, [e.parameter for _, e in powers if e.parameter]))
        terms.sort(key=lambda term: term[:2])
        numbering: dict[str, int] = {}
        numbers = [tuple(numbering.setdefault(name, len(numbering)) for name in names) for *_, names in terms]
        return self.factors, tuple(term[:2] for term in terms), tuple(numbers)
