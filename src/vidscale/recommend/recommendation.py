"""The answer, as plain values: every field can be written to JSON as it stands."""

from collections.abc import Mapping
from dataclasses import dataclass

from vidscale.recommend.question import Question
from vidscale.space import ScalingFactors


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """A configuration with the name of its language model.

    Attributes:
        lm_params: parameters of the language model.
        lm_name: the published language model of that size, None where the family has none.
        frames: frames taken from a video.
        tokens_per_frame: visual tokens per frame.
    """

    lm_params: float
    lm_name: str | None
    frames: float
    tokens_per_frame: float

    @property
    def factors(self) -> ScalingFactors:
        """The three factors alone."""
        return ScalingFactors.of((self.lm_params, self.frames, self.tokens_per_frame))


@dataclass(frozen=True, kw_only=True)
class ErrorEstimate:
    """A predicted error with its two intervals.

    Attributes:
        value: predicted error, a fraction.
        mean_low: lower end of the interval for the true mean error.
        mean_high: upper end of it.
        new_low: lower end of the interval for a new measurement of n_eval questions.
        new_high: upper end of it.
        level: probability that either interval is meant to cover with.
        n_eval: questions of that measurement, None where unknown.
    """

    value: float
    mean_low: float
    mean_high: float
    new_low: float
    new_high: float
    level: float
    n_eval: float | None


@dataclass(frozen=True, kw_only=True)
class Flops:
    """Floating-point operations of one video by part of the model.

    Attributes:
        counting: "paper" or "lm-only" for the formula, "exact" for operations counted in the model's shapes.
        encoder: of the vision encoder.
        projector: of the projector, None where it is not counted.
        prefill: of the language model reading the prompt.
        decode: of the language model writing the answer, None where it is not counted.
        total: of all that is counted.
    """

    counting: str
    encoder: float
    projector: float | None
    prefill: float
    decode: float | None
    total: float


@dataclass(frozen=True, kw_only=True)
class CostDetail:
    """What a configuration costs.

    Attributes:
        value: in the unit of the budget.
        unit: that unit.
        encoder_share: the vision encoder's share of it.
        flops: by part.
        first_token_s: seconds to the first output token; None without a GPU.
        seconds: seconds to the last output token; None without a GPU.
        memory_bytes: GPU memory of a batch of requests; None where the model's shape is not known.
        videos_at_once: videos whose cache fits beside the weights in 90 % of the GPU's memory; None without a GPU.
        dollars: of a million videos, the GPU always busy; None without a GPU.
        slowest_stage: the stage on the GPU that takes longest; None without a GPU.
        gpu: the GPU that times and money are of; None without one.
        model: the video VLM whose shape was counted; None where none is known.
    """

    value: float
    unit: str
    encoder_share: float
    flops: Flops
    first_token_s: float | None = None
    seconds: float | None = None
    memory_bytes: float | None = None
    videos_at_once: int | None = None
    dollars: float | None = None
    slowest_stage: str | None = None
    gpu: str | None = None
    model: str | None = None


@dataclass(frozen=True, kw_only=True)
class NearTie:
    """A configuration that predicts almost the least error.

    Attributes:
        configuration: the configuration.
        error: its predicted error.
        cost: in the unit of the budget.
    """

    configuration: Configuration
    error: float
    cost: float


@dataclass(frozen=True, kw_only=True)
class ValueOfCompute:
    """What a little more budget is worth at the continuous optimum of the point fit.

    Attributes:
        multiplier: per cent of the error that one per cent of the budget buys; None where there is no convex optimum.
        encoder: what an encoder that is one per cent cheaper would be worth, in the same per cent.
        lm: what a language model that is one per cent cheaper would be worth.
        slack: the budget does not bind.
        at_bound: factors that sit at an end of their range.
        configuration: the continuous optimum, not rounded.
        error: its predicted error.
        gap: bound on what a better point could gain in log error.
        status: whether the optimum is certified.
        sentence: the same in words, or why there is none.
    """

    multiplier: float | None
    encoder: float | None = None
    lm: float | None = None
    slack: bool | None = None
    at_bound: tuple[str, ...] = ()
    configuration: ScalingFactors | None = None
    error: float | None = None
    gap: float | None = None
    status: str | None = None
    sentence: str


@dataclass(frozen=True, kw_only=True)
class NextBudget:
    """The next step of budget that changes the choice.

    Attributes:
        budget: what it costs; None where no configuration of the lattice predicts less error.
        configuration: what it then buys.
        error: its predicted error, with intervals.
        gain: relative reduction of the error.
        sentence: the same in words.
    """

    budget: float | None
    configuration: Configuration | None
    error: ErrorEstimate | None
    gain: float | None
    sentence: str


@dataclass(frozen=True, kw_only=True)
class NextData:
    """Twice the finetuning data at the same budget.

    Attributes:
        data_size: twice the examples; None where the law does not depend on them.
        configuration: the best configuration then.
        error: its predicted error, with intervals.
        gain: relative reduction of the error.
        outside: what lies beyond the measurements.
        sentence: the same in words.
    """

    data_size: float | None
    configuration: Configuration | None
    error: ErrorEstimate | None
    gain: float | None
    outside: tuple[str, ...]
    sentence: str


@dataclass(frozen=True, kw_only=True)
class OneStep:
    """One factor alone, a level up, the budget aside.

    Attributes:
        factor: which.
        value: its next level.
        error: predicted there.
        gain: relative reduction of the error.
        cost: in the unit of the budget; None where a limit forbids it.
    """

    factor: str
    value: float
    error: float
    gain: float
    cost: float | None


@dataclass(frozen=True, kw_only=True)
class Bottleneck:
    """Which factor holds the error up, and which part of the model the cost.

    Attributes:
        factor: the factor of which twice as much would lower the error most by the law, whether or not so much of it
            may be chosen; None where no factor lowers it.
        doublings: factor → relative reduction of the error by twice as much of it alone.
        steps: each factor's next level that may be chosen.
        dominant_part: the part of the model that most of the cost goes to.
        share: its share.
        sentence: the same in words.
    """

    factor: str | None
    doublings: Mapping[str, float]
    steps: tuple[OneStep, ...]
    dominant_part: str
    share: float
    sentence: str


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The configuration in use against the recommended one and the best at its own cost.

    Attributes:
        configuration: in use now.
        cost: what it costs, in the unit of the budget.
        error: predicted, with intervals.
        probability_better: probability by the noise draws that the recommended configuration has less error.
        recommended_gain: relative reduction of error by the recommended configuration, at the question's budget.
        same_budget: the best configuration that costs no more than the one in use and meets every limit.
        same_budget_error: its predicted error.
        gain: relative reduction of error by that one.
        accuracy_gain: relative gain in accuracy by that one.
        cheaper: the cheapest configuration that predicts no more error; None where none is cheaper.
        cheaper_cost: what it costs.
        outside: what lies beyond the measurements, and limits that the one in use breaks.
        sentence: the same in words.
    """

    configuration: Configuration
    cost: float
    error: ErrorEstimate
    probability_better: float | None
    recommended_gain: float
    same_budget: Configuration
    same_budget_error: float
    gain: float
    accuracy_gain: float | None
    cheaper: Configuration | None
    cheaper_cost: float | None
    outside: tuple[str, ...]
    sentence: str


@dataclass(frozen=True, kw_only=True)
class Risk:
    """A reason to be careful.

    Attributes:
        kind: outside-domain, at-bound, near-tie, uncertain-choice, misfit, law, synthetic, uncalibrated,
            other-encoder, stand-in-model, not-servable, weighted, unmeasured or one-token-answer.
        sentence: the same in words.
    """

    kind: str
    sentence: str


@dataclass(frozen=True, kw_only=True)
class Command:
    """How one engine serves the recommended configuration.

    Attributes:
        engine: "vllm" or "sglang".
        version: the version whose documented flags the command keeps to.
        command: the command line, ready for a POSIX shell; None where there is nothing that serves this model.
        arguments: the same as a list, not quoted.
        servable: whether the engine, unmodified, gives exactly this configuration.
        needs: what it takes where it does not; empty where it does.
        notes: what must be known with the command.
        instead: the best affordable configuration that the engine serves unmodified, where this is another one.
        instead_command: the command line that serves it.
    """

    engine: str
    version: str
    command: str | None
    arguments: tuple[str, ...]
    servable: bool
    needs: tuple[str, ...]
    notes: tuple[str, ...]
    instead: Configuration | None = None
    instead_command: str | None = None


@dataclass(frozen=True, kw_only=True)
class Recommendation:
    """The configuration to deploy, how sure that is, and what would change it.

    Attributes:
        question: what was asked, defaults filled in.
        table: name of the measurements.
        synthetic: whether they were generated.
        data_hash: their hash.
        target: the task, or "weighted".
        configuration: the recommended one.
        cost: what it costs.
        budget_range: what the cheapest and the dearest configuration that may be chosen cost, in the unit of the cost.
        error: predicted error with both intervals.
        probability_best: share of noise draws in which this very configuration is the best affordable one.
        near_ties: other configurations within the tolerance of the least error, best first, at most 10.
        tie_count: how many there are.
        value_of_compute: what a little more budget is worth.
        next_budget: the next step of budget that changes the choice.
        next_data: twice the data.
        bottleneck: the factor that holds the error up.
        comparison: against what runs now; None where nothing was said to run.
        why: sentences that give the reasons.
        risks: reasons to be careful.
        commands: engine → how it serves the configuration.
        notes: what must be read with the numbers.
    """

    question: Question
    table: str
    synthetic: bool
    data_hash: str
    target: str
    configuration: Configuration
    cost: CostDetail
    budget_range: tuple[float, ...]
    error: ErrorEstimate
    probability_best: float
    near_ties: tuple[NearTie, ...]
    tie_count: int
    value_of_compute: ValueOfCompute
    next_budget: NextBudget
    next_data: NextData
    bottleneck: Bottleneck
    comparison: Comparison | None
    why: tuple[str, ...]
    risks: tuple[Risk, ...]
    commands: Mapping[str, Command]
    notes: tuple[str, ...]

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        from vidscale.recommend.display import html

        return html(self)

    def __repr__(self) -> str:
        from vidscale.recommend.display import text

        return text(self)
