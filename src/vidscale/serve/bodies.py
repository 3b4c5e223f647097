"""What may be asked over HTTP, checked before anything is computed: names, bounded lists, finite numbers.

A server takes names, never paths: a GPU, a family of models or a profile of one's own comes with the study that is
served.
"""

from collections.abc import Collection, Mapping, Sequence
from difflib import get_close_matches
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from vidscale.cost.constraints import LIMITS, parse_limit
from vidscale.cost.deployment import KINDS, CostSettings
from vidscale.cost.hardware import gpu as gpu_by_name
from vidscale.cost.hardware import gpus
from vidscale.errors import InputError
from vidscale.recommend import Question
from vidscale.recommend.question import TAKEN_IN, taken_in
from vidscale.serve.documents import sentences
from vidscale.space import LADDERS, VIDEO_VLMS, ScalingFactors

_TOLD = sentences(Question)

#: A task's or model's name; the longest that a study file may have is longer, none that is written is.
Name = Annotated[str, Field(max_length=200)]
Positive = Annotated[float, Field(gt=0, le=1e300, allow_inf_nan=False)]
Count = Annotated[int, Field(le=10**6)]
#: Kind of cost → the most of it.
Amounts = Annotated[dict[Name, Positive], Field(max_length=len(LIMITS))]
#: Values of a factor, at most as many as a lattice has levels.
Values = Annotated[list[Positive], Field(max_length=64)]
Kind = Literal["flops", "lm-only", "flops-exact", "ttft", "latency", "gpu-seconds", "dollars"]
assert set(KINDS) == set(Kind.__args__)  # pyright: ignore[reportAttributeAccessIssue]
Lattices = Literal["measured", "published", "deployable", "dense"]


def _told(name: str) -> str:
    return _TOLD[name]


class Strict(BaseModel):
    """A body without unknown fields."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def known(cls, given: Any) -> Any:
        """What is given, if every field of it is known; the message names the field most like one that is not."""
        for name in given if isinstance(given, Mapping) else ():
            if name not in cls.model_fields:
                raise PydanticCustomError("unknown_field", "{line}", {"line": _unknown(str(name), cls.model_fields)})
        return given


def _unknown(name: str, known: Collection[str]) -> str:
    """That a field is unknown, and which is most like it, or all there are."""
    like = get_close_matches(name.lower().replace("-", "_"), list(known), n=1)
    allowed = f"is it {like[0]}?" if like else f"allowed are {', '.join(known)}"
    return f"{ascii(name)[:80]} is no field here; {allowed}"


class Factors(Strict):
    """A configuration: all three factors."""

    lm_params: Annotated[float, Field(ge=1e3, le=1e14, allow_inf_nan=False, description="Parameters of the language "
                                                                                        "model.")]
    frames: Annotated[float, Field(ge=1, le=1e9, allow_inf_nan=False, description="Frames taken from a video.")]
    tokens_per_frame: Annotated[float, Field(ge=1, le=1e9, allow_inf_nan=False,
                                             description="Visual tokens per frame.")]


class CostFields(Strict):
    """The cost that is asked for."""

    cost: Annotated[Kind | None, Field(description=_told("cost"))] = None
    gpu: Annotated[Name | None, Field(description=_told("gpu"))] = None
    batch: Annotated[Count | None, Field(ge=1, description=_told("batch"))] = None
    output_tokens: Annotated[Count | None, Field(ge=1, description=_told("output_tokens"))] = None
    text_tokens: Annotated[Count | None, Field(ge=0, description=_told("text_tokens"))] = None
    price: Annotated[Positive | None, Field(description=_told("price"))] = None
    model: Annotated[Name | None, Field(description=_told("model"))] = None


class Shared(CostFields):
    """What questions have in common, however they are sent."""

    budget: Annotated[Positive | None, Field(description=_told("budget"))] = None
    data_size: Annotated[float | None, Field(ge=1, le=1e15, allow_inf_nan=False,
                                             description=_told("data_size"))] = None
    task: Annotated[Name | None, Field(description=_told("task"))] = None
    lm_params: Annotated[Values, Field(description=_told("lm_params"))] = Field(default_factory=list)
    frames: Annotated[Values, Field(description=_told("frames"))] = Field(default_factory=list)
    tokens_per_frame: Annotated[Values, Field(description=_told("tokens_per_frame"))] = Field(default_factory=list)
    memory_limit_bytes: Annotated[Positive | None, Field(description=_told("memory_limit_bytes"))] = None
    predictor: Annotated[Literal["point", "bagged"], Field(description=_told("predictor"))] = "point"
    lattice: Annotated[Lattices, Field(description=_told("lattice"))] = "measured"
    level: Annotated[float, Field(gt=0, lt=1, description=_told("level"))] = 0.9
    tolerance: Annotated[float, Field(ge=0, lt=1, description=_told("tolerance"))] = 0.01
    n_eval: Annotated[float | None, Field(ge=1, le=1e15, allow_inf_nan=False, description=_told("n_eval"))] = None
    seed: Annotated[int, Field(ge=0, le=2**31 - 1, description=_told("seed"))] = 0


class QuestionBody(Shared):
    """A question. Every field has a default; unknown fields are refused."""

    weights: Annotated[dict[Name, Annotated[float, Field(ge=0, le=1e300, allow_inf_nan=False)]] | None,
                       Field(max_length=1000, description=_told("weights"))] = None
    limits: Amounts = Field(default_factory=dict, description=_told("limits"))
    current: Annotated[Factors | None, Field(description=_told("current"))] = None

    def question(self, stored: CostSettings | None) -> Question:
        """As the library asks it.

        Raises:
            InputError: a name that is not known here, or a question that contradicts itself.
        """
        check_names(self, stored)
        given: dict[str, Any] = {name: getattr(self, name) for name in type(self).model_fields}
        now = self.current
        given |= {name: tuple(given[name]) for name in ("lm_params", "frames", "tokens_per_frame")}
        given["current"] = None if now is None else ScalingFactors.of((now.lm_params, now.frames, now.tokens_per_frame))
        return Question(**given)


class QuestionQuery(Shared):
    """The same question as query parameters, so that every state has an address and a poller needs no body."""

    weight: list[Name] = Field(default_factory=list, max_length=1000,
                               description="task=weight, in place of a task; repeatable.")
    limit: list[Name] = Field(default_factory=list, max_length=len(LIMITS),
                              description="kind<=amount with its unit, such as ttft<=300ms; repeatable.")
    current: Annotated[Name | None, Field(description="The configuration in use now: "
                                          "lm_params=7.5e9,frames=8,tokens_per_frame=196.")] = None

    def body(self) -> QuestionBody:
        """The same as a body.

        Raises:
            InputError: a weight, a limit or a configuration is written wrongly.
        """
        given: dict[str, Any] = {name: getattr(self, name) for name in Shared.model_fields}
        weights = _numbers(self.weight, "weight")
        limits = {found.kind: found.value for found in (parse_limit(text, "limit") for text in self.limit)}
        memory = limits.pop("memory", None)
        if memory is not None:
            if self.memory_limit_bytes is not None:
                raise InputError("both memory_limit_bytes and a limit on memory are given; leave one of them out")
            given["memory_limit_bytes"] = memory
        now = None if self.current is None else _numbers(self.current.split(","), "current")
        try:
            return QuestionBody(**given, weights=weights or None, limits=limits, current=now)  # type: ignore[arg-type]
        except ValidationError as problem:
            raise InputError(one_line(problem.errors())) from None


def _numbers(texts: list[str], what: str) -> dict[str, float]:
    """NAME=NUMBER texts as a dict; a name may hold "=" itself."""
    out: dict[str, float] = {}
    for text in texts:
        name, sign, value = text.rpartition("=")
        try:
            number = float(value)
        except ValueError:
            sign, number = "", 0.0
        if not sign or not name or name in out or not abs(number) <= 1e300:
            raise InputError(f"{what} {text!r}: write NAME=NUMBER, each name once")
        out[name] = number
    return out


def check_names(asked: CostFields, stored: CostSettings | None) -> None:
    """Raise InputError for a GPU or a model that is neither one of the package's nor the served study's own."""
    own = (stored.gpu, stored.model) if stored is not None else (None, None)
    if asked.gpu is not None and asked.gpu != own[0]:
        try:
            gpu_by_name(asked.gpu)
        except InputError:
            raise InputError(f"unknown GPU {asked.gpu[:80]!r}; allowed are {', '.join(one.name for one in gpus())}"
                             ) from None
    if asked.model is not None and asked.model != own[1] and asked.model.lower() not in (*LADDERS, *VIDEO_VLMS):
        raise InputError(f"unknown model {asked.model[:80]!r}; allowed are {', '.join((*LADDERS, *VIDEO_VLMS))}")


#: What pydantic calls a text, or anything else, in place of a number.
_NO_NUMBER = ("float_parsing", "float_type", "int_parsing", "int_type", "int_from_float")


def one_line(errors: Sequence[Any]) -> str:
    """What is wrong with a request: the first fault, by its place in it."""
    first = errors[0]
    if first.get("type") == "json_invalid":
        return "the body is no JSON"
    place = ".".join(str(part)[:80] for part in first.get("loc", ()) if part not in ("body", "query"))
    said = str(first.get("msg", "is not usable"))[:400]
    field = place.partition(".")[0]
    if str(first.get("type")) in _NO_NUMBER and field in TAKEN_IN and not isinstance(first.get("input"), dict | list):
        seen = first.get("input")
        said = f"{ascii(seen)[:80]} is no number; {taken_in(field, str(seen)[:80])}"
    if first.get("type") == "unknown_field" and not place:
        return " ".join(said.split())
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return " ".join(f"{place or 'the body'}: {said[:1].lower() + said[1:]}{more}".split())
