"""How vLLM and SGLang serve a configuration: command lines, and what neither does unmodified.

Flags and keys are those of named versions, read in their sources; `tests/recorded/engine_flags.json` holds what was
read and where, and a test keeps every command within it. What decides:

    vLLM 0.33.0     samples num_frames frames evenly (multimodal/media/video.py); per-request overrides are refused
                    unless --trust-request-mm-kwargs; LlavaOnevision pools every frame with stride 2
                    (model_executor/models/llava_onevision.py, apply_pooling); InternVL takes a frame as one tile
    SGLang 0.5.23   samples by rate between min_frames and max_frames, even numbers alone, so equal limits fix the
                    number (srt/multimodal/processors/qwen_vl.py, smart_nframes); InternVL takes 32 frames; a LLaVA's
                    frames come from the client as images
"""

import json
import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from vidscale.cost.deployment import other_encoder
from vidscale.cost.tokens import Video, settings_for, video_tokens
from vidscale.errors import InputError
from vidscale.recommend.answerer import Asked
from vidscale.recommend.recommendation import Command, Configuration, CostDetail
from vidscale.recommend.wording import size
from vidscale.space import VideoVLM

VLLM, SGLANG = "0.33.0", "0.5.23"
#: Stands for the finetuned model.
CHECKPOINT = "./checkpoint"
#: Tokens of text and answer that the longest request has room for where the question does not ask for more.
ROOM = 1024
#: Share of a GPU's memory that servers take; what both engines take, or nearly, where nothing is said.
USUAL_SHARE, MOST_SHARE = 0.9, 0.95
#: What vLLM's LlavaOnevision makes of a frame, and InternVL in both engines.
LLAVA_TOKENS, INTERNVL_TOKENS, INTERNVL_FRAMES = 196, 256, 32
#: A pair of frames of Qwen2-VL and Qwen2.5-VL becomes one token for every 28 × 28 pixels.
QWEN_FACTOR = 28

QWEN = ("qwen2-vl", "qwen2.5-vl")
#: Tokens per frame of families that have one number of them in stock vLLM.
STOCK_TOKENS: Mapping[str, int] = {"llava": LLAVA_TOKENS, "internvl": INTERNVL_TOKENS}


@dataclass(frozen=True, kw_only=True)
class Stock:
    """What stock vLLM would serve instead.

    Attributes:
        sentence: what that is, or that there is nothing.
        configuration: the best affordable one; None where there is none.
        vlm: the model that it is made with.
    """

    sentence: str
    configuration: Configuration | None = None
    vlm: VideoVLM | None = None


def commands(asked: Asked, x: Configuration, cost: CostDetail, vlm: VideoVLM | None, stock: Stock | None = None,
             encoder: tuple[float, float] | None = None) -> Mapping[str, Command]:
    """How each engine serves a configuration.

    Args:
        asked: the question.
        x: the configuration.
        cost: what it costs, for the memory.
        vlm: the model whose family decides; None where it is not known.
        stock: what vLLM would serve as it is instead; None where that is the question's own answer.
        encoder: parameters, and tokens per frame, of the encoder that the runs had; None where it is not known.
    """
    if vlm is None or vlm.family not in ("llava", "internvl", *QWEN):
        why = f"no model of {asked.settings.model} has {x.lm_params:.4g} parameters, so its architecture is not known"
        return {name: Command(engine=name, version=version, command=None, arguments=(), servable=False, needs=(why,),
                              notes=()) for name, version in (("vllm", VLLM), ("sglang", SGLANG))}
    ready = {"vllm": _vllm(asked, x, vlm, cost, stock), "sglang": _sglang(asked, x, vlm, cost)}
    foreign = _foreign_encoder(vlm, encoder)
    return {name: replace(each, servable=False, needs=(*foreign, *each.needs), instead=None, instead_command=None)
            if foreign else each
            for name, each in ready.items()}


# --- vLLM -------------------------------------------------------------------------------------------------


def _vllm(asked: Asked, x: Configuration, vlm: VideoVLM, cost: CostDetail, stock: Stock | None) -> Command:
    frames, needs = _whole(x)
    notes = [_placeholder(), _length_note(asked), f"frames are taken evenly from first to last, {frames} of them or "
             "all of a shorter video"]
    video: dict[str, Any] = {"count": 1, "num_frames": frames}
    arguments = ["vllm", "serve", CHECKPOINT, "--dtype", "bfloat16", "--max-model-len", str(_length(asked, x)),
                 "--media-io-kwargs", _json({"video": {"num_frames": frames}})]
    if vlm.family in QWEN:
        pixels = _qwen_pixels(x)
        arguments += ["--mm-processor-kwargs", _json({"min_pixels": pixels, "max_pixels": pixels})]
        notes.append(_qwen_note(x, vlm, frames, pixels))
        needs += _paired(frames, "vLLM repeats the last one")
    elif vlm.family == "internvl":
        needs += _internvl_tokens(x)
    else:
        video |= {"width": vlm.tower.image, "height": vlm.tower.image} if vlm.tower.image else {}
        needs += _llava_tokens(x, vlm)
    arguments += ["--limit-mm-per-prompt", _json({"image": 0, "video": video})]
    share, said = _share(asked)
    arguments += ["--gpu-memory-utilization", f"{share:.2f}"]
    if _limits_requests(asked):
        arguments += ["--max-num-seqs", str(asked.settings.batch)]
    notes += [*said, *_batch_note(asked, "--max-num-seqs", cost), "requests cannot change frames or pixels: without "
              "--trust-request-mm-kwargs the server refuses such overrides", *([stock.sentence] if stock else [])]
    made = _command("vllm", VLLM, arguments, needs, notes)
    if made.servable or stock is None or stock.configuration is None or stock.vlm is None:
        return made
    other = _vllm(asked, stock.configuration, stock.vlm, cost, None)
    return replace(made, instead=stock.configuration, instead_command=other.command) if other.servable else made


def _llava_tokens(x: Configuration, vlm: VideoVLM) -> list[str]:
    """What a LLaVA takes whose frames are not pooled to 14 × 14."""
    grid, tokens = vlm.tower.grid, x.tokens_per_frame
    if tokens == LLAVA_TOKENS and grid == 27:
        return []
    side = math.isqrt(round(tokens))
    if side * side != tokens:
        return [f"{tokens:g} tokens per frame are no square grid, which pooling needs"]
    strides = [s for s in range(1, grid + 1) if math.ceil(grid / s) == side]
    how = f"with stride {strides[0]}" if strides else "by interpolation, which no stride gives"
    return [f"stock LlavaOnevisionForConditionalGeneration pools every frame to 14 × 14 = {LLAVA_TOKENS} tokens; "
            f"{tokens:g} take a subclass, registered by a plugin with ModelRegistry.register_model, whose "
            f"apply_pooling makes {side} × {side} of the {grid} × {grid} grid ({how}), and a processor that puts as "
            "many placeholders into the prompt"]


# --- SGLang -----------------------------------------------------------------------------------------------


def _sglang(asked: Asked, x: Configuration, vlm: VideoVLM, cost: CostDetail) -> Command:
    frames, needs = _whole(x)
    notes = [_placeholder(), _length_note(asked)]
    arguments = ["python", "-m", "sglang.launch_server", "--model-path", CHECKPOINT, "--dtype", "bfloat16",
                 "--context-length", str(_length(asked, x))]
    if vlm.family in QWEN:
        pixels = _qwen_pixels(x)
        even = max(2, frames - frames % 2)
        video = {"fps": 2, "min_frames": even, "max_frames": even, "min_pixels": pixels, "max_pixels": pixels}
        arguments += ["--mm-process-config", _json({"video": video})]
        notes += [_qwen_note(x, vlm, even, pixels), "frames are sampled by rate; with min_frames = max_frames = "
                  f"{even} every video gives {even} frames, or an even number of a shorter one's"]
        needs += _paired(frames, f"SGLang takes {even}")
    elif vlm.family == "internvl":
        needs += _internvl_tokens(x)
        if frames != INTERNVL_FRAMES:
            needs.append(f"its InternVL processor takes {INTERNVL_FRAMES} frames and no setting of the server changes "
                         f"that; {frames} take a change of DEFAULT_VIDEO_NUM_FRAMES in its source")
    else:
        return Command(engine="sglang", version=SGLANG, command=None, arguments=(), servable=False, notes=(), needs=(
            "it has no class for a LlavaOnevision checkpoint of transformers, and takes the frames of a LLaVA video as "
            "images that the client has sampled; use vLLM, or write such a class",))
    arguments += ["--limit-mm-data-per-request", _json({"video": 1})]
    share, said = _share(asked)
    arguments += ["--mem-fraction-static", f"{share:.2f}"]
    if _limits_requests(asked):
        arguments += ["--max-running-requests", str(asked.settings.batch)]
    notes += [*said, *_batch_note(asked, "--max-running-requests", cost), "--mem-fraction-static covers weights and "
              "cache; the vision encoder works in what is left, so lower it when that runs out"]
    return _command("sglang", SGLANG, arguments, needs, notes)


# --- what both need ---------------------------------------------------------------------------------------


def _command(engine: str, version: str, arguments: Sequence[str], needs: Sequence[str], notes: Sequence[str]
             ) -> Command:
    return Command(engine=engine, version=version, command=shlex.join(arguments), arguments=tuple(arguments),
                   servable=not needs, needs=tuple(needs), notes=tuple(notes))


def _foreign_encoder(vlm: VideoVLM, encoder: tuple[float, float] | None) -> tuple[str, ...]:
    """What to say where the runs had another vision encoder than the family, such as a study of tiny models."""
    if encoder is None or not other_encoder(vlm, encoder):
        return ()
    return (f"the runs had a vision encoder of {size(encoder[0])} parameters, {vlm.name} has one of "
            f"{size(vlm.tower.params)}: what is said here, and the memory, is of the latter",)


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def _whole(x: Configuration) -> tuple[int, list[str]]:
    """Frames as a whole number, and what to say where they are none."""
    frames = max(1, round(x.frames))
    return frames, [] if frames == x.frames else [f"{x.frames:.4g} frames are no whole number; the command takes "
                                                  f"{frames}"]


def _paired(frames: int, what: str) -> list[str]:
    return [] if frames % 2 == 0 else [f"Qwen's vision tower takes frames in pairs: of an odd number, {frames}, {what}"]


def _internvl_tokens(x: Configuration) -> list[str]:
    if x.tokens_per_frame == INTERNVL_TOKENS:
        return []
    return [f"InternVL gives every frame, one tile of 448 × 448 pixels, {INTERNVL_TOKENS} tokens; "
            f"{x.tokens_per_frame:g} take another downsampling ratio, which is another model"]


def _qwen_pixels(x: Configuration) -> int:
    """Pixels of a frame for x_V tokens per frame: two frames share a token of 28 × 28 pixels."""
    return max(1, round(2 * x.tokens_per_frame)) * QWEN_FACTOR**2


def _qwen_note(x: Configuration, vlm: VideoVLM, frames: int, pixels: int) -> str:
    """What whole patches make of the pixel limit, for a video of 1080p."""
    video = Video(duration_s=max(60.0, frames), fps=30, width=1920, height=1080)
    try:
        settings = settings_for(vlm.family, frames=max(2, frames), min_pixels=pixels, max_pixels=pixels,
                                cap_pixels_per_frame=False)
        made = f"a video of 1920 × 1080 gives {video_tokens(video, settings).tokens_per_frame:.4g}"
    except InputError:
        made = "some sizes of video give other numbers"
    return (f"{pixels} pixels a frame are {x.tokens_per_frame:g} tokens where whole patches of {QWEN_FACTOR} pixels "
            f"allow; {made}")


def _length(asked: Asked, x: Configuration) -> int:
    """Longest request in tokens: the visual ones with a tenth to spare, text and answer; a multiple of 256."""
    visual = x.frames * x.tokens_per_frame
    return 256 * math.ceil((1.1 * visual + _room(asked)) / 256)


def _room(asked: Asked) -> int:
    return max(ROOM, asked.settings.text_tokens + asked.settings.output_tokens)


def _length_note(asked: Asked) -> str:
    return f"the longest request has room for {_room(asked):,} tokens of text and answer beside the video"


def _placeholder() -> str:
    return f"{CHECKPOINT} stands for your finetuned model"


def _share(asked: Asked) -> tuple[float, list[str]]:
    """The share of the GPU's memory to take, and what to say about it."""
    limits = {limit.kind: limit.value for limit in asked.settings.limits}
    whole = asked.memory
    if "memory" not in limits:
        return USUAL_SHARE, []
    if whole is None:
        return USUAL_SHARE, ["the limit on memory is in the choice but not in the command: name a GPU to have it there"]
    share = math.floor(100 * min(limits["memory"] / whole, MOST_SHARE)) / 100
    return max(share, 0.01), []


def _limits_requests(asked: Asked) -> bool:
    """Whether requests at a time belong to the question: times hold for that many, and no more."""
    return asked.timed or asked.settings.batch > 1


def _batch_note(asked: Asked, flag: str, cost: CostDetail) -> list[str]:
    out = []
    if asked.timed:
        out.append(f"times are of {asked.settings.batch} request{'s' if asked.settings.batch > 1 else ''} at a time, "
                   f"which {flag} keeps to")
    if cost.videos_at_once is not None and "memory" not in {limit.kind for limit in asked.settings.limits}:
        out.append(f"about {cost.videos_at_once} videos fit in memory at a time by our count")
    return out
