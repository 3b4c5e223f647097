"""Constraints beside the budget: at most 500 ms and at most 24 GB, say.

A limit is a bound on another cost of the same configuration. A cost with limits prices what breaks one at infinity, so
every search leaves it out without knowing why; why is counted here, because a frontier that has lost configurations
has to name the limit that took them.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vidscale.cost.paper import CostModel, CostTerms
from vidscale.cost.units import BYTES, DOLLARS, FLOPS, GPU_SECONDS, SECONDS, read_amount, said, unit
from vidscale.errors import InputError
from vidscale.given import number_given

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

#: What can be bounded, and its unit; the names are those of the costs, and memory.
LIMITS: dict[str, str] = {
    "flops": FLOPS, "flops-exact": FLOPS, "ttft": SECONDS, "latency": SECONDS, "gpu-seconds": GPU_SECONDS,
    "dollars": DOLLARS, "memory": BYTES,
}

#: A configuration meets a limit when its amount is at most limit · (1 + this): limits are often printed amounts.
TOLERANCE = 1e-12


@dataclass(frozen=True, kw_only=True)
class Limit:
    """At most `value` of one kind of cost.

    Attributes:
        kind: a key of LIMITS.
        value: in that key's unit.
        reason: where it comes from when nobody asked for it, such as "the memory of one H200".

    Raises:
        InputError: the kind is unknown or the value is not positive.
    """

    kind: str
    value: float
    reason: str = ""

    def __post_init__(self) -> None:
        if self.kind not in LIMITS:
            raise InputError(f"cannot limit {self.kind!r}; allowed are {', '.join(LIMITS)}")
        counted = f"allowed are positive finite numbers of {LIMITS[self.kind]}"
        if not 0 < number_given(self.value, f"the limit on {self.kind}", counted) < np.inf:
            raise InputError(f"the limit on {self.kind} is {self.value:g}; {counted}")

    @property
    def bound(self) -> str:
        """The limit in short: "latency <= 500 ms"."""
        return f"{self.kind} <= {said(self.value, LIMITS[self.kind])}"

    @property
    def text(self) -> str:
        """The limit with where it comes from: "memory <= 24 GB (all of one L4)"."""
        return f"{self.bound} ({self.reason})" if self.reason else self.bound


def parse_limit(text: str, what: str = "--limit") -> Limit:
    """A limit from "latency<=500ms", "memory <= 24GB", "dollars<=$20".

    Raises:
        InputError: it is not KIND<=AMOUNT, the kind is unknown, or the amount is in another kind's unit.

    Example:
        >>> parse_limit("latency<=500ms").value
        0.5
    """
    found = re.fullmatch(r"\s*([A-Za-z_ -]+?)\s*(<=|≤|<|=<|>=|>|≥|==|=|:)\s*(.+?)\s*", text)
    if found is None or found[2] not in ("<=", "≤", "<", "=<"):
        raise InputError(f"{what} {text!r}: write KIND<=AMOUNT, such as latency<=500ms; kinds are {', '.join(LIMITS)}")
    kind = found[1].lower().replace("_", "-").replace(" ", "-")
    if kind not in LIMITS:
        raise InputError(f"{what} {text!r}: cannot limit {found[1]!r}; allowed are {', '.join(LIMITS)}")
    # In a limit the kind says what is meant, so dollars need no sign.
    bare = kind == "dollars" and re.fullmatch(r"[\d_.]+", found[3])
    value = read_amount(f"${found[3]}" if bare else found[3], LIMITS[kind], f"{what} {kind}")
    if value <= 0:
        raise InputError(f"{what} {text!r}: {value / unit(LIMITS[kind]).scale:g} {unit(LIMITS[kind]).shown}; allowed "
                         "are positive amounts")
    return Limit(kind=kind, value=value)


@dataclass(frozen=True, kw_only=True)
class Exclusion:
    """How many of some configurations a limit excludes, other limits aside."""

    limit: Limit
    count: int
    of: int

    @property
    def text(self) -> str:
        """One clause: "latency <= 500 ms excludes 12 of 126"."""
        return f"{self.limit.text} excludes {self.count} of {self.of}"


@dataclass(frozen=True, kw_only=True, eq=False)
class LimitedCost:
    """A cost whose configurations must meet limits too; one that breaks any costs infinitely much.

    Args:
        base: the cost that is paid.
        limits: each with the cost model that gives its amount, in the limit's unit.
    """

    base: CostModel
    limits: tuple[tuple[Limit, CostModel], ...]

    @property
    def name(self) -> str:
        return f"{self.base.name} ({', '.join(limit.bound for limit, _ in self.limits)})"

    @property
    def unit(self) -> str:
        return self.base.unit

    def broken(self, points: Floats) -> Flags:
        """Which limits each configuration breaks, shape (limits, rows)."""
        points = np.atleast_2d(np.asarray(points, dtype=np.float64))
        return np.array([~(model.cost(points) <= limit.value * (1 + TOLERANCE)) for limit, model in self.limits])

    def cost(self, points: Floats) -> Floats:
        return np.where(self.broken(points).any(axis=0), np.inf, self.base.cost(points))

    def encoder_share(self, points: Floats) -> Floats:
        return self.base.encoder_share(points)

    def terms(self) -> CostTerms | None:
        return None


def base_cost(cost_model: CostModel) -> CostModel:
    """The cost that is paid, limits aside."""
    return cost_model.base if isinstance(cost_model, LimitedCost) else cost_model


def limits_of(cost_model: CostModel) -> tuple[Limit, ...]:
    """The limits of a cost; none for one that has none."""
    return tuple(limit for limit, _ in cost_model.limits) if isinstance(cost_model, LimitedCost) else ()


def exclusions(cost_model: CostModel, points: Floats) -> tuple[Exclusion, ...]:
    """How many of these configurations each limit excludes; empty for a cost without limits."""
    if not isinstance(cost_model, LimitedCost):
        return ()
    broken = cost_model.broken(points)
    return tuple(Exclusion(limit=limit, count=int(flags.sum()), of=flags.size)
                 for (limit, _), flags in zip(cost_model.limits, broken, strict=True))


def excluded(cost_model: CostModel, points: Floats) -> int:
    """How many of these configurations break at least one limit."""
    return int(cost_model.broken(points).any(axis=0).sum()) if isinstance(cost_model, LimitedCost) else 0


def broken_limits(cost_model: CostModel, points: Floats) -> list[tuple[str, ...]]:
    """For each configuration the limits it breaks, with its amount: "latency <= 500 ms (it takes 612 ms)"."""
    rows = len(np.atleast_2d(points))
    found: list[list[str]] = [[] for _ in range(rows)]
    if isinstance(cost_model, LimitedCost):
        for (limit, model), flags in zip(cost_model.limits, cost_model.broken(points), strict=True):
            amounts = model.cost(np.atleast_2d(points))
            for row in np.flatnonzero(flags):
                found[row].append(f"{limit.text}: it takes {said(float(amounts[row]), LIMITS[limit.kind])}")
    return [tuple(each) for each in found]


def limit_sentence(found: Sequence[Exclusion], together: int) -> str:
    """What the limits take away, in one sentence; empty without limits."""
    if not found:
        return ""
    clauses = "; ".join(each.text for each in found)
    return clauses if len(found) == 1 else f"{clauses}; together they exclude {together}"
