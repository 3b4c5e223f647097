"""A recipe: everything about a run that its factors and data size do not say.

One recipe serves a whole sweep. It is a TOML file; paths in it are relative to the file. A missing setting takes the
default shown here; an unknown one is refused, so that a slip of the pen is not a silent default.
"""

import hashlib
import json
import math
import tomllib
import types
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from vidscale.errors import InputError
from vidscale.runs.failures import MissingFileError
from vidscale.space import read_tower

SCHEMA, VERSION = "vidscale-recipe", 1
PARTS = ("projector", "lm", "tower")

#: Largest file of examples that is counted before a plan is made.
COUNTED_BYTES = 256 * 2**20

#: Settings that change how a run is computed and not what comes out of it.
HOW_ONLY: Mapping[str, tuple[str, ...]] = {
    "data": ("workers",),
    "training": ("micro_batch", "activation_checkpointing", "checkpoint_minutes", "keep_checkpoint"),
    "evaluation": ("batch",),
}

#: The same as words.
HOW_ONLY_WORDS = ", ".join(f"{part}.{name}" for part, names in HOW_ONLY.items() for name in names)

#: How far a run's lm_params may be from a language model's, relative: planned numbers are often rounded.
LM_TOLERANCE = 1e-3


@dataclass(frozen=True, kw_only=True)
class LanguageModelFolder:
    """One size of language model.

    Attributes:
        lm_params: x_N, as the plan calls this size.
        folder: a checkpoint folder that `AutoModelForCausalLM` and `AutoTokenizer` load.
        projector: a safetensors file with a pretrained projector of this size's own, which goes before the model's.
    """

    lm_params: float
    folder: Path
    projector: Path | None = None


@dataclass(frozen=True, kw_only=True)
class ModelRecipe:
    """What the video VLM is built from, and which parts are trained.

    Attributes:
        vision_tower: a SigLIP checkpoint folder (a full one or its vision part).
        language_models: one per x_N.
        tower_layer: which hidden state of the tower is used; -2, the one before the last layer, is LLaVA's choice.
        pooling: how the patch grid becomes k×k: "average", where every patch counts at every k, or "bilinear", as
            LLaVA-OneVision does, which skips most patches when k is small.
        trained: parts whose weights change: "projector", "lm", "tower".
        projector: a safetensors file with a pretrained projector, for language models that name none of their own; by
            default it starts at random.
        attention: transformers' name of the attention kernel.
    """

    vision_tower: Path
    language_models: tuple[LanguageModelFolder, ...]
    tower_layer: int = -2
    pooling: Literal["average", "bilinear"] = "average"
    trained: tuple[str, ...] = ("projector", "lm")
    projector: Path | None = None
    attention: str = "sdpa"


@dataclass(frozen=True, kw_only=True)
class DataRecipe:
    """Where the examples are.

    Attributes:
        train: LLaVA-style conversations, a JSON list.
        evaluation: multiple-choice questions, a JSON list.
        videos: the folder that paths in both are relative to.
        template: how a conversation is spelled for the language model: "plain", "vicuna", "llama-3", "chatml", or
            "bare": as plain, but no mark that ends an answer is learnt, for answers that are never generated.
        workers: threads that decode video ahead of training.
        damaged: what becomes of a run that meets a video whose bits are damaged: "refuse" fails it and names the file,
            "conceal" lets the decoder paint over the damage, as players do.
    """

    train: Path
    evaluation: Path
    videos: Path
    template: str = "plain"
    workers: int = 2
    damaged: Literal["refuse", "conceal"] = "refuse"


@dataclass(frozen=True, kw_only=True)
class TrainingRecipe:
    """How the model is finetuned.

    Attributes:
        batch: examples per optimiser step.
        micro_batch: examples per forward pass on one device; smaller takes less memory, the result is the same.
        learning_rate: peak, for the language model and for the parts that have none of their own.
        projector_learning_rate, tower_learning_rate: peaks of their own.
        warm_up: fraction of the steps over which the rate rises; it then falls along a cosine.
        final_rate: what it falls to, as a fraction of the peak.
        weight_decay: of AdamW, on matrices only.
        beta_1, beta_2: of AdamW.
        max_gradient_norm: gradients are scaled down to this; 0 for never.
        precision: "fp32", or "bf16": 32-bit weights with 16-bit arithmetic.
        activation_checkpointing: compute activations twice rather than keep them.
        checkpoint_minutes: time between checkpoints; 0 for one after every step.
        keep_checkpoint: keep the trained weights once the run is done.
    """

    batch: int = 8
    micro_batch: int = 8
    learning_rate: float = 2e-5
    projector_learning_rate: float | None = None
    tower_learning_rate: float | None = None
    warm_up: float = 0.03
    final_rate: float = 0.0
    weight_decay: float = 0.0
    beta_1: float = 0.9
    beta_2: float = 0.999
    max_gradient_norm: float = 1.0
    precision: Literal["fp32", "bf16"] = "bf16"
    activation_checkpointing: bool = False
    checkpoint_minutes: float = 10.0
    keep_checkpoint: bool = False


@dataclass(frozen=True, kw_only=True)
class EvaluationRecipe:
    """How the finetuned model is judged.

    Attributes:
        answer: "letter": the options are listed in the prompt and their letters compared; "text": the options' own
            words are compared, by log-likelihood per token.
        batch: questions per forward pass.
        limit: evaluate only the first so many questions of each task; None for all.
    """

    answer: Literal["letter", "text"] = "letter"
    batch: int = 8
    limit: int | None = None


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A complete recipe; see `load_recipe`.

    Raises:
        InputError: a value is out of range.
    """

    model: ModelRecipe
    data: DataRecipe
    training: TrainingRecipe = field(default_factory=TrainingRecipe)
    evaluation: EvaluationRecipe = field(default_factory=EvaluationRecipe)

    def __post_init__(self) -> None:
        _check(self)

    def encoder(self) -> tuple[float, float]:
        """(parameters, tokens per frame) of the vision tower, from its config.json; the pooling head not counted.

        Raises:
            InputError: the folder holds no config.json that can be read.
        """
        tower = read_tower(self.model.vision_tower)
        return float(tower.params), float(tower.grid**2 + tower.class_tokens)

    def check_tokens(self, tokens_per_frame: float) -> None:
        """Raise InputError where the tower's patches cannot be pooled to so many tokens, as far as it is here."""
        side, folder = grid_side(tokens_per_frame), self.model.vision_tower
        try:
            tower = read_tower(folder)
        except InputError:  # a plan may be made where the checkpoints are not
            return
        if tower.class_tokens:
            raise InputError(f"the vision tower {folder} is a {tower.name} checkpoint; allowed are siglip checkpoints")
        if side > tower.grid:
            raise InputError(f"tokens_per_frame is {tokens_per_frame:g}, and the vision tower {folder} has "
                             f"{tower.grid} × {tower.grid} patches; plan squares up to {tower.grid**2}: "
                             "--tokens-per-frame")

    def check_data_sizes(self, data_sizes: Iterable[float]) -> None:
        """Raise InputError where a run cannot see so many examples: a part of one, or more than the file here holds."""
        counts, place = sorted(examples(size) for size in data_sizes), self.data.train
        try:
            if place.stat().st_size > COUNTED_BYTES:
                return
            held = json.loads(place.read_bytes())
        except (OSError, ValueError, RecursionError):
            return  # it is not here, or a run says what is wrong with it
        for count in counts:
            if isinstance(held, list) and len(held) < count:
                raise InputError(f"data_size is {count}, and {place} holds {len(held)} examples; plan sizes up to "
                                 "that: --data-sizes, --isoflop-data-sizes")

    def steps(self, data_size: float) -> int:
        """Optimiser steps of a run: every one of n examples is seen once, so the last batch may be smaller."""
        return math.ceil(examples(data_size) / self.training.batch)

    def language_model(self, lm_params: float) -> LanguageModelFolder:
        """The language model of a size.

        Raises:
            InputError: the recipe has none within 0.1 % of it.
        """
        for each in self.model.language_models:
            if math.isclose(each.lm_params, lm_params, rel_tol=LM_TOLERANCE):
                return each
        known = ", ".join(f"{each.lm_params:g}" for each in self.model.language_models)
        raise InputError(f"the recipe has no language model of lm_params {lm_params:g}; it has {known}: add a "
                         f"[[model.language_models]], or plan its sizes, --lm-params {known.replace(', ', ',')}")


def grid_side(tokens_per_frame: float) -> int:
    """k of the k×k grid that makes x_V tokens.

    Raises:
        InputError: x_V is no square.
    """
    side = math.isqrt(int(tokens_per_frame))
    if side < 1 or side * side != tokens_per_frame:
        raise InputError(f"tokens_per_frame is {tokens_per_frame:g}; the patch grid is pooled to k by k, so allowed "
                         "are squares: 1, 4, 9, 16, ...")
    return side


def examples(data_size: float) -> int:
    """n as a count.

    Raises:
        InputError: it is no whole number from 1.
    """
    if data_size < 1 or data_size != int(data_size):
        raise InputError(f"data_size is {data_size:g}; a run sees a whole number of examples, at least 1")
    return int(data_size)


def load_recipe(path: Path) -> Recipe:
    """Read a recipe.

    Args:
        path: a TOML file; relative paths in it start at its folder.

    Raises:
        InputError: it is missing, no TOML, or holds a setting that is unknown, missing or out of range.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise MissingFileError(f"the recipe {path} is missing; check its path, or start from the one that "
                               "`vidscale example tiny` writes") from None
    except RecursionError:
        raise InputError(f"the recipe {path} is nested too deeply to be read") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as problem:
        raise InputError(f"the recipe {path} cannot be read: {problem}") from None
    if (content.pop("schema", None), content.pop("version", None)) != (SCHEMA, VERSION):
        raise InputError(f'{path} is no recipe: it must say schema = "{SCHEMA}" and version = {VERSION}')
    try:
        return _read(Recipe, content, "", path.resolve().parent)
    except InputError as problem:
        raise InputError(f"{path}: {problem}") from None


def result_hash(content: bytes) -> str:
    """SHA-256 of what of a recipe's file decides the result: all but comments, layout and the settings of HOW_ONLY.

    Args:
        content: of the file. One that is no TOML, of a command that reads something else, counts as a whole.
    """
    try:
        settings = tomllib.loads(content.decode())
        for part, names in HOW_ONLY.items():
            if isinstance(settings.get(part), dict):
                settings[part] = {name: value for name, value in settings[part].items() if name not in names}
        content = json.dumps({name: value for name, value in settings.items() if value != {}}, sort_keys=True,
                             default=str).encode()
    except (ValueError, RecursionError):
        pass
    return hashlib.sha256(content).hexdigest()


def recipe_toml(recipe: Recipe, folder: Path) -> str:
    """The recipe as TOML text for a file in `folder`; paths below it are written relative to it."""
    lines = [f'schema = "{SCHEMA}"', f"version = {VERSION}"]
    for part in fields(Recipe):
        lines += ["", f"[{part.name}]", *_settings(getattr(recipe, part.name), folder)]
        for each in recipe.model.language_models if part.name == "model" else ():
            lines += ["", "[[model.language_models]]", *_settings(each, folder)]
    return "\n".join(lines) + "\n"


def _settings(part: Any, folder: Path) -> list[str]:
    named = {f.name: getattr(part, f.name) for f in fields(part) if f.name != "language_models"}
    return [f"{name} = {_literal(value, folder)}" for name, value in named.items() if value is not None]


def _literal(value: Any, folder: Path) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, tuple):
        return "[" + ", ".join(_literal(each, folder) for each in value) + "]"
    if isinstance(value, Path):
        place, base = value.resolve(), folder.resolve()
        value = place.relative_to(base) if place.is_relative_to(base) else place
    text = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def _read(kind: Any, content: Any, where: str, folder: Path) -> Any:
    """A dataclass from a TOML table, field by field."""
    if not isinstance(content, Mapping):
        raise InputError(f"{where} must be a table")
    hints, known = get_type_hints(kind), {f.name: f for f in fields(kind)}
    prefix = f"{where}." if where else ""
    for name in content:
        if name not in known:
            raise InputError(f"unknown setting {prefix}{name}; allowed are {', '.join(known)}")
    for name, own in known.items():
        if name not in content and own.default is MISSING and own.default_factory is MISSING:
            raise InputError(f"{prefix}{name} is missing")
    return kind(**{name: _value(hints[name], value, f"{prefix}{name}", folder) for name, value in content.items()})


def _value(hint: Any, value: Any, where: str, folder: Path) -> Any:
    """One setting as its type wants it."""
    if get_origin(hint) is types.UnionType:
        hint = next(kind for kind in get_args(hint) if kind is not type(None))
    if is_dataclass(hint):
        return _read(hint, value, where, folder)
    if get_origin(hint) is tuple:
        if not isinstance(value, list):
            raise InputError(f"{where} must be a list")
        return tuple(_value(get_args(hint)[0], each, f"{where}[{i}]", folder) for i, each in enumerate(value))
    if get_origin(hint) is Literal:
        if value not in get_args(hint):
            raise InputError(f"{where} is {value!r}; allowed are {', '.join(get_args(hint))}")
        return value
    if hint is Path and isinstance(value, str):
        return folder / Path(value).expanduser()
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not hint:
        words = {int: "a whole number", float: "a number", bool: "true or false"}
        raise InputError(f"{where} is {value!r}; it must be {words.get(hint, 'text')}")
    return value


def _check(recipe: Recipe) -> None:
    model, data, training, evaluation = recipe.model, recipe.data, recipe.training, recipe.evaluation
    if not model.language_models:
        raise InputError("the recipe names no language model; add a [[model.language_models]]")
    sizes = [each.lm_params for each in model.language_models]
    if any(size < 1 for size in sizes) or len(set(sizes)) < len(sizes):
        raise InputError(f"lm_params of the language models are {sizes}; they must be positive and differ")
    if not model.trained or set(model.trained) - set(PARTS):
        raise InputError(f"model.trained is {list(model.trained)}; allowed are one or more of {', '.join(PARTS)}")
    if model.tower_layer >= 0:
        raise InputError(f"model.tower_layer is {model.tower_layer}; layers are counted from the end: -1 is the last")
    for name, value, least in (("data.workers", data.workers, 1), ("training.batch", training.batch, 1),
                               ("training.micro_batch", training.micro_batch, 1),
                               ("evaluation.batch", evaluation.batch, 1),
                               ("evaluation.limit", evaluation.limit, 1)):
        if value is not None and value < least:
            raise InputError(f"{name} is {value}; allowed is a whole number from {least}")
    for name in ("learning_rate", "projector_learning_rate", "tower_learning_rate", "weight_decay",
                 "max_gradient_norm", "checkpoint_minutes"):
        value = getattr(training, name)
        if value is not None and not 0 <= value < math.inf:
            raise InputError(f"training.{name} is {value!r}; allowed is a finite number from 0")
    for name in ("warm_up", "beta_1", "beta_2"):
        if not 0 <= getattr(training, name) < 1:
            raise InputError(f"training.{name} is {getattr(training, name)!r}; allowed is a fraction from 0 below 1")
    if not 0 <= training.final_rate <= 1:
        raise InputError(f"training.final_rate is {training.final_rate!r}; allowed is a fraction from 0 to 1")
