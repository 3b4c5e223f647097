"""What choosing by the law is worth, with intervals: against naive policies, with the encoder counted, along budgets.

Choices are those of the point fit and stay as they are; what they are worth is asked of every noise draw of the law.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vidscale.cost import CostModel
from vidscale.findings.verdict import LEVEL, Estimate, Verdict, judge, of_draws
from vidscale.forms import Laws
from vidscale.frontier import (
    Continuum,
    Status,
    compare_policies,
    ignore_encoder,
    lattice_error,
    minimise,
    naive_policies,
)
from vidscale.space import FACTORS, LM_PARAMS, Lattice

Floats = NDArray[np.float64]

#: The policy that looks at data and forgets the encoder; the others are naive.
IGNORES_ENCODER = ignore_encoder().name


@dataclass(frozen=True, kw_only=True, eq=False)
class FittedLaw:
    """A target's law with its noise draws, over (lm_params, frames, tokens_per_frame, data_size)."""

    form: str
    target: str
    law: Laws
    draws: Laws

    def errors(self, lattice: Lattice, data_size: float) -> Floats:
        """Predicted errors, the point fit's first, then every draw's; shape (1 + draws, points)."""
        sizes = np.array([data_size])
        return np.concatenate([lattice_error(each, lattice, sizes)[:, 0] for each in (self.law, self.draws)])


@dataclass(frozen=True, kw_only=True)
class PolicyGain:
    """What the frontier gains over a policy at equal cost, mean over the budgets that the policy can serve.

    Where a law predicts more error than guessing makes, guessing's is taken: a power law knows no chance.

    Attributes:
        policy, sentence: its name and rule.
        served: budgets it can serve, of how many.
        gain: relative gain in accuracy.
        reduction: relative fall of the error.
        overshoot: true cost of what it would pick under its own cost, over the budget, mean; None for other policies.
    """

    policy: str
    sentence: str
    served: tuple[int, int]
    gain: Estimate
    reduction: Estimate
    overshoot: float | None

    @property
    def verdict(self) -> Verdict:
        """On: the frontier gains over it."""
        return judge(self.gain)


def policy_gains(fitted: FittedLaw, lattice: Lattice, cost_model: CostModel, budgets: Floats, data_size: float,
                 level: float = LEVEL, chance: float | None = None) -> list[PolicyGain]:
    """Every policy that makes sense on the lattice against the frontier; `chance` is the accuracy of guessing."""
    errors = fitted.errors(lattice, data_size)
    bounded = errors if chance is None else np.minimum(errors, 1 - chance)
    policies = [p for p in naive_policies()
                if not any(p.name == f"{f} only" and lattice.levels[f].size < 2 for f in FACTORS)]
    found = compare_policies(errors[0], lattice, cost_model, budgets, policies)
    gains = []
    for outcome in found.outcomes:
        served = outcome.index >= 0
        best = bounded[:, found.optimum.index[served]]
        own = bounded[:, outcome.index[served]]
        accuracy = np.where(own < 1, 1 - own, np.nan)
        gain, reduction = (_row_means(each) for each in ((own - best) / accuracy, (own - best) / own))
        over = outcome.overshoot
        gains.append(PolicyGain(
            policy=outcome.policy, sentence=outcome.sentence, served=(int(served.sum()), len(budgets)),
            gain=of_draws(float(gain[0]), gain[1:], level),
            reduction=of_draws(float(reduction[0]), reduction[1:], level),
            overshoot=None if over is None else float(np.nanmean(over))))
    return gains


def _row_means(values: Floats) -> Floats:
    """Mean of what is a number in each row; nan for a row that has none."""
    known = np.isfinite(values)
    count = known.sum(axis=1)
    return np.where(count > 0, np.where(known, values, 0.0).sum(axis=1) / np.maximum(count, 1), np.nan)


@dataclass(frozen=True, kw_only=True)
class ComputeValue:
    """What cheaper parts are worth at the continuous optimum of one budget, per cent of error per per cent of cost.

    Attributes:
        budget: FLOPs.
        encoder, lm: what making the encoder, or the LM's tokens, one per cent cheaper is worth.
        difference: encoder − lm; positive where the encoder is the better place to save.
        slack: the budget does not bind there, so that nothing is worth anything.
    """

    budget: float
    encoder: Estimate
    lm: Estimate
    difference: Estimate
    slack: bool


def compute_values(fitted: FittedLaw, lattice: Lattice, cost_model: CostModel, budgets: Floats, data_size: float,
                   level: float = LEVEL) -> list[ComputeValue]:
    """The multiplier's split at every budget; empty where the cost is no posynomial."""
    if cost_model.terms() is None:
        return []
    box, sizes = lattice.bounds(), np.array([data_size])
    both = [minimise(each, cost_model, box, budgets, sizes) for each in (fitted.law, fitted.draws)]
    found = []
    for b, budget in enumerate(budgets.tolist()):
        parts = {}
        for part in ("encoder", "lm"):
            parts[part] = np.concatenate([_known(c, c.multiplier_of(part))[:, b] for c in both])
        encoder, lm = parts["encoder"], parts["lm"]
        found.append(ComputeValue(
            budget=budget, slack=bool(both[0].budget_slack[0, 0, b]),
            encoder=of_draws(float(encoder[0]), encoder[1:], level), lm=of_draws(float(lm[0]), lm[1:], level),
            difference=of_draws(float(encoder[0] - lm[0]), (encoder - lm)[1:], level)))
    return found


def _known(found: Continuum, values: Floats) -> Floats:
    """Values (laws, data sizes, budgets) of the first data size, nan where nothing is affordable."""
    return np.where(found.status == Status.INFEASIBLE, np.nan, values)[:, 0]


@dataclass(frozen=True, kw_only=True)
class LawStep:
    """What a law says the next budget brings models of a held size, the other factors chosen best (continuously)."""

    budgets: tuple[float, float]
    small: Estimate
    large: Estimate
    difference: Estimate


def law_steps(fitted: FittedLaw, lattice: Lattice, cost_model: CostModel, budgets: Sequence[float], data_size: float,
              level: float = LEVEL) -> list[LawStep]:
    """Gains from each budget to the next with the smallest and the largest language model.

    Steps that one of them cannot afford are left out; none where the cost is no posynomial.
    """
    limits, gains, sizes = np.asarray(budgets, dtype=np.float64), [], np.array([data_size])
    if cost_model.terms() is None:
        return []
    for size in (lattice.levels[LM_PARAMS][0], lattice.levels[LM_PARAMS][-1]):
        box = lattice.fix({LM_PARAMS: float(size)}).bounds()
        both = [minimise(each, cost_model, box, limits, sizes) for each in (fitted.law, fitted.draws)]
        least = np.concatenate([_known(found, np.exp(found.log_error)) for found in both])
        gains.append(least[:, :-1] - least[:, 1:])
    small, large = gains
    steps = []
    for b in range(len(limits) - 1):
        if np.isfinite(small[:, b]).all() and np.isfinite(large[:, b]).all():
            each = {"small": small[:, b], "large": large[:, b], "difference": large[:, b] - small[:, b]}
            steps.append(LawStep(budgets=(float(limits[b]), float(limits[b + 1])), **{
                name: of_draws(float(values[0]), values[1:], level) for name, values in each.items()}))
    return steps
