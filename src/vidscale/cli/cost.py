"""`vidscale cost`: what a configuration costs, by formula and in full."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vidscale.cli.options import Printing
from vidscale.cli.screen import Screen
from vidscale.errors import InputError

if TYPE_CHECKING:
    from vidscale.cost.paper import PaperCost
    from vidscale.cost.quote import Horizon, Quote, VideoFile
    from vidscale.space import Ladder, VideoVLM


def _opt(name: str, metavar: str, help: str) -> Any:
    return typer.Option(name, metavar=metavar, help=help, show_default=False)


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """What is deployed, on what, and with what before it; any of these asks for the cost in full."""

    model: Annotated[str | None, _opt("--model", "NAME|config.json", "What lm_params stands for: llava-llama3 (the "
                                      "default), qwen2-vl, qwen2.5-vl, internvl, one model such as qwen2.5-vl-7b, or "
                                      "a config.json.")] = None
    gpu: Annotated[str | None, _opt("--gpu", "NAME|FILE.toml", "The GPU, such as h200, or a file that declares "
                                    "one.")] = None
    profile: Annotated[str | None, _opt("--profile", "NAME|FILE.json", "A profile that `vidscale calibrate` wrote; by "
                                        "default the one that comes with the package, else the data sheet.")] = None
    price: Annotated[str | None, _opt("--price", "DOLLARS", "Dollars per GPU-hour; by default a usual one of that "
                                      "GPU.")] = None
    batch: Annotated[int | None, _opt("--batch", "REQUESTS", "Requests served together; 1 by default.")] = None
    text_tokens: Annotated[int | None, _opt("--text-tokens", "TOKENS", "Prompt tokens beside the visual ones; 0 by "
                                            "default.")] = None
    output_tokens: Annotated[int | None, _opt("--output-tokens", "TOKENS", "Tokens of the answer; 1 by "
                                              "default.")] = None
    dtype: Annotated[str | None, _opt("--dtype", "bf16|fp16|fp8|int8|int4", "Weights of the language model's layers; "
                                      "bf16 by default.")] = None
    kv_dtype: Annotated[str | None, _opt("--kv-dtype", "bf16|fp16|fp8|int8", "Key-value cache; bf16 by "
                                         "default.")] = None
    duration: Annotated[float | None, _opt("--duration", "SECONDS", "Length of a video, for the CPU that decodes "
                                           "it.")] = None
    fps: Annotated[float | None, _opt("--fps", "RATE", "Frames per second of the file; 30 by default.")] = None
    size: Annotated[str | None, _opt("--size", "WIDTHxHEIGHT", "Size of a frame of the file; 1280x720 by "
                                     "default.")] = None
    gop: Annotated[int | None, _opt("--gop", "FRAMES", "Frames between key frames of the file; 250 by "
                                    "default.")] = None
    workers: Annotated[int | None, _opt("--workers", "CORES", "CPU cores that decode; 8 by default.")] = None
    no_seek: Annotated[bool, typer.Option("--no-seek", help="The file is read through, not from key frame to key "
                                                            "frame.")] = False
    finetune: Annotated[str | None, _opt("--finetune", "EXAMPLES", "Set finetuning on so many examples against "
                                         "inference.")] = None
    epochs: Annotated[float | None, _opt("--epochs", "TIMES", "Times each example is seen; 1 by default.")] = None
    freeze: Annotated[list[str], _opt("--freeze", "encoder|projector|lm", "A part that is not trained; "
                                      "repeatable.")] = field(default_factory=list)
    videos_per_month: Annotated[str | None, _opt("--videos-per-month", "VIDEOS", "Volume of inference, such as "
                                                 "1e6.")] = None
    months: Annotated[float | None, _opt("--months", "MONTHS", "Months of inference; 1 by default.")] = None


def cost(
    at: Annotated[list[str], typer.Option("--at", metavar="lm_params=…,frames=…,tokens_per_frame=…", show_default=False,
                                          help="A configuration; repeatable.")] = [],  # noqa: B006
    encoder_params: Annotated[float, typer.Option(help="For the formula: parameters of the vision encoder.")] = 0.43e9,
    encoder_tokens: Annotated[float, typer.Option(help="For the formula: tokens the encoder sees per frame.")] = 768.0,
    *, deployment: Deployment, printing: Printing,
) -> None:
    """What a configuration costs, by formula or deployed.

    By itself: prefill FLOPs per video, the vision encoder's part, the language model's, and the bias of leaving the
    encoder out. With a model, a GPU or any option below: exact FLOPs by part, memory, and on a GPU time, throughput and
    money; with --duration the CPU that decodes the video; with --finetune the cost of finetuning beside inference.

    \b
    Examples:
      vidscale cost --at lm_params=7.5e9,frames=32,tokens_per_frame=196
      vidscale cost --at lm_params=7.5e9,frames=32,tokens_per_frame=196 --gpu h200 --output-tokens 64 --duration 60
      vidscale cost --model qwen2.5-vl-7b --duration 384 --size 1920x1080 --gpu a100
    """
    from vidscale.cost import PaperCost

    formula = PaperCost(encoder_params=encoder_params, encoder_tokens=encoder_tokens)
    screen = Screen(printing)
    if deployment == Deployment():
        by_formula(at, formula, screen)
    else:
        in_full(at, formula, deployment, screen)


# --- by formula -------------------------------------------------------------------------------------------


def by_formula(at: Sequence[str], model: "PaperCost", screen: Screen) -> None:
    """The paper's FLOPs of some configurations."""
    from vidscale.cli.words import configuration

    if not at:
        raise InputError("nothing to cost; give --at lm_params=7.5e9,frames=32,tokens_per_frame=196")
    from vidscale.report.cost_listing import formula_row

    rows = [formula_row(model, configuration(text, "--at")) for text in at]
    if screen.printing.as_json:
        screen.json({"cost": model.name, "unit": model.unit, "encoder_params": model.encoder_params,
                     "encoder_tokens": model.encoder_tokens, "configurations": rows})
        return
    from vidscale.report.listings import cost_table

    screen.tables(cost_table(rows, model.encoder_params, model.encoder_tokens))


# --- in full ----------------------------------------------------------------------------------------------


def in_full(at: Sequence[str], formula: "PaperCost", asked: Deployment, screen: Screen) -> None:
    """Everything about deploying some configurations."""
    from vidscale.report.cost_listing import SCHEMA, quote_dict, quote_notes, quote_tables

    quotes, notes = quotes_of(at, formula, asked)
    if screen.printing.as_json:
        screen.json({"schema": SCHEMA, "encoder_params": formula.encoder_params,
                     "encoder_tokens": formula.encoder_tokens, "quotes": [quote_dict(each) for each in quotes],
                     "notes": notes})
        return
    screen.tables(*quote_tables(quotes))
    screen.section("To be read with it:", [*quote_notes(quotes), *notes])


def quotes_of(at: Sequence[str], formula: "PaperCost", asked: Deployment) -> "tuple[list[Quote], list[str]]":
    """A quote for each configuration, and notes on all of them."""
    from vidscale.cost.deployment import DEFAULT_MODEL, gpu_of, models_of, profile_of
    from vidscale.cost.quote import Request, quote

    models = models_of(asked.model or DEFAULT_MODEL)
    on = None if asked.gpu is None else gpu_of(asked.gpu)
    profile = None if on is None and asked.profile is None else profile_of(asked.profile, on)
    paid = None if asked.price is None else _number(asked.price.lstrip("$ "), "--price")
    file, horizon = _file(asked), _horizon(asked)
    given = {name: getattr(asked, name) for name in ("batch", "text_tokens", "output_tokens", "dtype", "kv_dtype")}
    given = {name: value for name, value in given.items() if value is not None}
    quotes, notes = [], []
    for vlm, x in _configurations(at, models, file, notes):
        quotes.append(quote(vlm, Request(**x, **given), profile=profile, price_per_hour=paid, file=file,
                            horizon=horizon, formula=formula))
    odd = models.notes([q.lm_params for q in quotes]) if len(models.vlms) > 1 else ""
    return quotes, [*notes, *([odd] if odd else [])]


def _configurations(at: Sequence[str], models: "Ladder", file: "VideoFile | None", notes: list[str]
                    ) -> "list[tuple[VideoVLM, dict[str, float]]]":
    """Models and factors; what is left out of them follows from the model and the video where it can."""
    from vidscale.cli.words import factors
    from vidscale.space.factors import FACTORS, FRAMES, LM_PARAMS, TOKENS_PER_FRAME

    if not at and (file is None or len(models.vlms) > 1):
        raise InputError("nothing to cost; give --at lm_params=7.5e9,frames=32,tokens_per_frame=196, or one --model "
                         "and the --duration of a video")
    found = []
    given: list[dict[str, float]] = [factors(text, "--at", FACTORS) for text in at] or [{}]
    for x in given:
        if LM_PARAMS not in x and len(models.vlms) > 1:
            raise InputError(f"--at lacks {LM_PARAMS}, and {models.name} has {len(models.vlms)} sizes; write "
                             "lm_params=7.5e9,frames=32,tokens_per_frame=196")
        vlm = models.vlm(x[LM_PARAMS]) if LM_PARAMS in x else next(iter(models.vlms))
        missing = [name for name in (FRAMES, TOKENS_PER_FRAME) if name not in x]
        if missing and file is None:
            raise InputError(f"--at lacks {', '.join(missing)}; write lm_params=7.5e9,frames=32,tokens_per_frame=196, "
                             "or give the --duration of a video")
        if missing:
            x = {**_by_rules(vlm, x, file, notes), **x}
        found.append((vlm, x))
    return found


def _by_rules(vlm: "VideoVLM", x: dict[str, float], file: "VideoFile | None", notes: list[str]) -> dict[str, float]:
    """Frames and tokens per frame that the model's processor makes of the video."""
    from vidscale.cost.tokens import settings_for, video_tokens

    assert file is not None
    taken = {name: int(value) for name, value in x.items() if name == "frames" or (
        name == "tokens_per_frame" and vlm.family.startswith("llava"))}
    seen = video_tokens(file.video, settings_for(vlm.family, **taken))
    notes.append(f"{vlm.name} takes {seen.frames} frames of {seen.tokens_per_frame:g} tokens of this video by its "
                 "processor's rules; --at and `vidscale tokens` say otherwise")
    return {"frames": float(seen.frames), "tokens_per_frame": seen.tokens_per_frame}


def _file(asked: Deployment) -> "VideoFile | None":
    from vidscale.cli.tokens import video_of
    from vidscale.cost.quote import VideoFile
    from vidscale.cost.video_stage import USUAL_GOP

    if asked.duration is None:
        others = {"--fps": asked.fps, "--size": asked.size, "--gop": asked.gop, "--workers": asked.workers,
                  "--no-seek": asked.no_seek or None}
        lost = [name for name, value in others.items() if value is not None]
        if lost:
            raise InputError(f"{lost[0]} is about decoding a video; give its --duration too")
        return None
    video = video_of(asked.duration, 30.0 if asked.fps is None else asked.fps, asked.size or "1280x720")
    for name, value in (("--gop", asked.gop), ("--workers", asked.workers)):
        if value is not None and value < 1:
            raise InputError(f"{name} is {value}; allowed are whole numbers from 1")
    return VideoFile(video=video, workers=asked.workers or 8, seek=not asked.no_seek, gop=asked.gop or USUAL_GOP)


def _horizon(asked: Deployment) -> "Horizon | None":
    from vidscale.cost.lifetime import FROZEN, FULL, Finetuning
    from vidscale.cost.quote import Horizon

    if asked.finetune is None:
        if asked.videos_per_month or asked.months or asked.epochs or asked.freeze:
            raise InputError("--videos-per-month, --months, --epochs and --freeze set inference against finetuning; "
                             "give its examples with --finetune")
        return None
    if asked.videos_per_month is None:
        raise InputError("--finetune needs a volume of inference to compare with; give --videos-per-month")
    parts = ("encoder", "projector", "lm")
    for name in asked.freeze:
        if name not in parts:
            raise InputError(f"--freeze {name!r}: allowed are {', '.join(parts)}")
    encoder, projector, lm = (FROZEN if name in asked.freeze else FULL for name in parts)
    finetuning = Finetuning(examples=_number(asked.finetune, "--finetune"), encoder=encoder, projector=projector, lm=lm,
                            epochs=1.0 if asked.epochs is None else asked.epochs)
    return Horizon(finetuning=finetuning, videos_per_month=_number(asked.videos_per_month, "--videos-per-month"),
                   months=1.0 if asked.months is None else asked.months)


def _number(text: str, option: str) -> float:
    from vidscale.cli.words import number

    return number(text, option)
