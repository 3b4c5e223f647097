"""Options that several verbs share, in groups, so that each is declared and explained once.

A group is a frozen dataclass. A verb takes groups as parameters; `command` spreads them into single options for the
parser and gathers the values again.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Annotated, Any, get_type_hints

import typer

Strings = list[str]

TABLE_HELP = "A .csv, .jsonl or .parquet file of measurements, or a bundled dataset (see `vidscale datasets`)."
FIT_HELP = "A fit.json, a folder that `vidscale study` wrote, or a table of measurements, which is fitted first."

TableSource = Annotated[str, typer.Argument(metavar="TABLE", help=TABLE_HELP, show_default=False)]
FitSource = Annotated[str, typer.Argument(metavar="FIT_OR_TABLE", help=FIT_HELP, show_default=False)]
TaskRows = Annotated[Strings, typer.Option("--task", metavar="NAME", show_default=False,
                                           help="Read only this task's rows; repeat for several.")]
TaskAnswers = Annotated[Strings, typer.Option("--task", metavar="NAME", show_default=False,
                                              help="Answer for this task only (or for average); repeat for several.")]


def _many(*names: str, metavar: str, help: str) -> Any:
    return typer.Option(*names, metavar=metavar, help=help, show_default=False)


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How a table of measurements is read."""

    mapping: Annotated[Strings, _many("--map", metavar="COLUMN=THEIRS", help="The table's own name for a column: "
                                      "--map error=wer; repeatable.")] = field(default_factory=list)
    metric: Annotated[str, typer.Option("--metric", metavar="error|score",
                                        help="What the measured column holds; score is an accuracy.")] = "error"
    unit: Annotated[Strings, _many("--unit", metavar="COLUMN=UNIT", help="Unit of a column: lm_params=B, data_size=M "
                                   "or k, error=percent; repeatable.")] = field(default_factory=list)
    chance: Annotated[Strings, _many("--chance", metavar="TASK=ACCURACY", help="Accuracy of guessing on a task, in the "
                                     "unit of the measured column: mlvu=0.25, or mlvu=25 with --unit error=percent; "
                                     "repeatable.")] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Fitting:
    """Which form is fitted and how."""

    form: Annotated[str | None, typer.Option("--form", metavar="NAME|FILE.toml", show_default=False,
                                             help="The form to use; by default the one that predicts held-out runs "
                                                  "best.")] = None
    forms: Annotated[str | None, typer.Option("--forms", metavar="A,B,FILE.toml", show_default=False,
                                              help="Forms to compare; by default mult, add, add-interact-s, "
                                                   "add-interact.")] = None
    split: Annotated[str, typer.Option("--split", metavar="RULE", help="Runs to fit when extrapolation is judged, such "
                                       "as sweep=star; auto takes that rule where it can, none does without.")] = "auto"
    folds: Annotated[int, typer.Option("--folds", min=0, help="Folds of the cross-validation; 0 for none.")] = 10
    draws: Annotated[int, typer.Option("--draws", min=2, help="Draws of either bootstrap.")] = 100
    loss: Annotated[str, typer.Option("--loss", metavar="log-mse|log-huber", help="Loss of a fit.")] = "log-mse"
    delta: Annotated[float, typer.Option("--delta", help="Where the Huber loss turns linear.")] = 1e-3
    starts: Annotated[int, typer.Option("--starts", min=1, help="Starts of a fit.")] = 32
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed gives the same bytes.")] = 0
    pin: Annotated[Strings, _many("--pin", metavar="PARAMETER=VALUE", help="Hold a parameter: --pin epsilon=0.05; "
                                  "repeatable.")] = field(default_factory=list)
    weight: Annotated[Strings, _many("--weight", metavar="TASK=WEIGHT", help="Weigh a task in the mean over tasks; "
                                     "repeatable, tasks without a weight count 0.")] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Choosing:
    """What may be chosen."""

    lattice: Annotated[str, typer.Option("--lattice", metavar="measured|published|deployable|dense",
                                         help="Configurations to choose from.")] = "measured"
    fix: Annotated[Strings, _many("--fix", metavar="FACTOR=VALUE", help="Hold a factor: --fix lm_params=7.5e9; "
                                  "repeatable.")] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Costing:
    """What an inference costs: the cost that budgets are in, what it is of, and limits beside it."""

    cost: Annotated[str | None, typer.Option("--cost", metavar="KIND", show_default=False,
                                             help="flops (the paper's formula), lm-only, flops-exact, ttft (time to "
                                                  "first token), latency (to the last output token), gpu-seconds or "
                                                  "dollars; by default flops, or what a saved study was for.")] = None
    gpu: Annotated[str | None, typer.Option("--gpu", metavar="NAME|FILE.toml", show_default=False,
                                            help="The GPU, such as h200; what does not fit in its memory is left "
                                                 "out.")] = None
    profile: Annotated[str | None, typer.Option("--profile", metavar="NAME|FILE.json", show_default=False,
                                                help="A profile that `vidscale calibrate` wrote; by default the one "
                                                     "that comes with the package, else the data sheet.")] = None
    price: Annotated[str | None, typer.Option("--price", metavar="DOLLARS", show_default=False,
                                              help="Dollars per GPU-hour; by default a usual one of that GPU.")] = None
    model: Annotated[str | None, typer.Option("--model", metavar="NAME|config.json", show_default=False,
                                              help="What lm_params stands for: a family of models (llava-llama3, the "
                                                   "default, qwen2-vl, qwen2.5-vl, internvl), one model, or a "
                                                   "config.json.")] = None
    batch: Annotated[int | None, typer.Option("--batch", min=1, show_default=False,
                                              help="Requests served together; 1 by default.")] = None
    text_tokens: Annotated[int | None, typer.Option("--text-tokens", min=0, show_default=False,
                                                    help="Prompt tokens beside the visual ones; 0 by default.")] = None
    output_tokens: Annotated[int | None, typer.Option("--output-tokens", min=1, show_default=False,
                                                      help="Tokens of the answer; 1 by default.")] = None
    limit: Annotated[Strings, _many("--limit", metavar="KIND<=AMOUNT", help="What every configuration has to meet "
                                    "beside the budget: 'latency<=500ms', 'ttft<=300ms', 'memory<=24GB', "
                                    "'flops<=30e12', 'dollars<=20'; repeatable.")] = field(default_factory=list)
    encoder_params: Annotated[str | None, typer.Option("--encoder-params", metavar="PARAMETERS", show_default=False,
                                                       help="For flops: parameters of the vision encoder; by default "
                                                            "the data's own, else the paper's 0.43e9.")] = None
    encoder_tokens: Annotated[str | None, typer.Option("--encoder-tokens", metavar="TOKENS", show_default=False,
                                                       help="For flops: tokens the encoder sees per frame; by default "
                                                            "the data's own, else the paper's 768.")] = None


@dataclass(frozen=True, kw_only=True)
class Asking:
    """The budgets, data sizes and comparisons a frontier is asked for."""

    budget: Annotated[Strings, _many("--budget", metavar="AMOUNT", help="Budget in the unit of the cost: 15e12 or 15T "
                                     "FLOPs, 500ms, $20 (per million videos); repeatable; by default six over the "
                                     "lattice.")] = field(default_factory=list)
    data_size: Annotated[Strings, _many("--data-size", metavar="EXAMPLES", help="Finetuning examples, such as 1e6 or "
                                        "1M; repeatable; by default the measured ones.")] = field(default_factory=list)
    current: Annotated[str | None, typer.Option("--current", metavar="lm_params=…,frames=…,tokens_per_frame=…",
                                                show_default=False, help="The configuration in use now, to compare "
                                                                         "with.")] = None
    near: Annotated[float, typer.Option("--near", help="Relative excess over the best error that counts as a "
                                                       "near-tie.")] = 0.01


@dataclass(frozen=True, kw_only=True)
class Predicting:
    """How errors are predicted and how wide intervals are."""

    predictor: Annotated[str, typer.Option("--predictor", metavar="point|bagged", help="The fit to all runs, or the "
                                           "median over resampled runs.")] = "point"
    level: Annotated[float, typer.Option("--level", help="Probability of the intervals.")] = 0.9
    n_eval: Annotated[float | None, typer.Option("--n-eval", show_default=False,
                                                 help="Questions of a new measurement; by default as in the "
                                                      "data.")] = None


@dataclass(frozen=True, kw_only=True)
class Printing:
    """Where output goes and how much there is."""

    as_json: Annotated[bool, typer.Option("--json", help="Print the same data as JSON.")] = False
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no notes on stderr.")] = False
    threads: Annotated[int | None, typer.Option("--threads", min=1, show_default=False,
                                                help="Threads to use; the answer is the same.")] = None


def command(verb: Callable[..., None]) -> Callable[..., None]:
    """The verb as the option parser wants it: groups spread into single options."""
    hints = get_type_hints(verb, include_extras=True)
    groups: dict[str, Any] = {}
    parameters: list[inspect.Parameter] = []
    for name, own in inspect.signature(verb).parameters.items():
        if is_dataclass(hints[name]):
            groups[name] = hints[name]
            parameters += _spread(hints[name])
        else:
            parameters.append(own.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=hints[name]))

    def run(**given: Any) -> None:
        gathered = {name: kind(**{f.name: given.pop(f.name) for f in fields(kind)}) for name, kind in groups.items()}
        verb(**given, **gathered)

    run.__name__, run.__doc__ = verb.__name__, verb.__doc__
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {p.name: p.annotation for p in parameters}
    return run


def _spread(group: Any) -> list[inspect.Parameter]:
    hints, blank = get_type_hints(group, include_extras=True), group()
    return [inspect.Parameter(f.name, inspect.Parameter.KEYWORD_ONLY, annotation=hints[f.name],
                              default=getattr(blank, f.name)) for f in fields(group)]
