"""One configuration, costed in full: FLOPs by part, memory, time by stage, the CPU before it, money, a lifetime.

Everything here is a scalar, for people to read; arrays of configurations go through `exact_flops`, `memory`,
`request_time` and `decode_seconds` directly.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from vidscale.cost.dollars import price
from vidscale.cost.flops import Flops, exact_flops
from vidscale.cost.hardware import Gpu
from vidscale.cost.lifetime import (
    TRAINING_UTILISATION,
    Finetuning,
    lifetime,
    training_flops,
    training_gpu_seconds,
)
from vidscale.cost.memory import Memory, memory
from vidscale.cost.operations import Attention, MatMul, Operation, Pointwise
from vidscale.cost.paper import LmOnlyCost, PaperCost
from vidscale.cost.passes import (
    decode_operations,
    encoder_operations,
    head_operations,
    prefill_operations,
    projector_operations,
    visual_tokens,
)
from vidscale.cost.profile import POINTWISE, Profile
from vidscale.cost.tokens.video import Video, check_square
from vidscale.cost.video_stage import PRIOR, USUAL_GOP, Decoding, decode_seconds, pipeline, workers_needed
from vidscale.errors import InputError
from vidscale.space.architecture import VideoVLM

#: An operation whose traffic and arithmetic, at the rates of the data sheet, take less than this share of its time is
#: held up by neither: its kernels take long to start, or are too small or too oddly shaped to fill the GPU.
KERNELS_BELOW = 1 / 3

PARTS = ("encoder", "projector", "prefill_linear", "prefill_attention", "head", "decode")


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is asked of the model.

    Args:
        lm_params: x_N as the user counts it, for the paper's formula; None takes the model's own.
        frames, tokens_per_frame: x_T, x_V.
        text_tokens, output_tokens: of one request.
        batch: requests served together.
        dtype: of the weights in the language model's layers, see `memory`; kv_dtype of its cache.

    Raises:
        InputError: a number is out of range.
    """

    lm_params: float | None = None
    frames: float
    tokens_per_frame: float
    text_tokens: int = 0
    output_tokens: int = 1
    batch: int = 1
    dtype: str = "bf16"
    kv_dtype: str = "bf16"

    def __post_init__(self) -> None:
        for name, least in (("text_tokens", 0), ("output_tokens", 1), ("batch", 1)):
            value = getattr(self, name)
            if not (value == value and least <= value < 1e9 and value == int(value)):
                raise InputError(f"{name} is {value!r}; allowed are whole numbers from {least}")
        for name in ("frames", "tokens_per_frame"):
            if not 0 < getattr(self, name) < np.inf:
                raise InputError(f"{name} is {getattr(self, name)!r}; allowed is a positive finite number")


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One stage on the GPU.

    Attributes:
        name: one of PARTS.
        flops: of the whole batch.
        seconds: of the whole batch.
        bound: what most of its time goes to: "arithmetic", "memory traffic", or "kernels" (KERNELS_BELOW).
        flops_per_second: reached.
    """

    name: str
    flops: float
    seconds: float
    bound: str

    @property
    def flops_per_second(self) -> float:
        return self.flops / self.seconds if self.seconds else 0.0


@dataclass(frozen=True, kw_only=True)
class OnGpu:
    """A request on one GPU.

    Attributes:
        gpu: its data sheet, at the price that counts.
        calibrated: whether times come from measurements on it; otherwise from its data sheet and usual efficiencies.
        stages: in order; their seconds add up to total_s.
        ttft_s, per_output_token_s, total_s: of a batch. Time to first token is without decoding the video on the CPU.
        gpu_s_per_video: total_s shared by the batch.
        bottleneck: the stage that takes longest.
        fits: in the GPU's memory. concurrent_videos: whose caches fit, see `Memory.concurrent_videos`.
        dollars, dollars_low, dollars_high: of a million videos, the GPU always busy.
        kilowatt_hours_at_most: of a million videos, at full board power.
        kilowatt_hours: of a million videos, at the power measured in each stage; None where none was measured.
        sentence: where the times are from, with the error on shapes held out of a calibration.
    """

    gpu: Gpu
    calibrated: bool
    stages: tuple[Stage, ...]
    ttft_s: float
    per_output_token_s: float
    total_s: float
    gpu_s_per_video: float
    bottleneck: str
    fits: bool
    concurrent_videos: int
    dollars: float
    dollars_low: float
    dollars_high: float
    kilowatt_hours_at_most: float
    kilowatt_hours: float | None
    sentence: str

    @property
    def videos_per_hour(self) -> float:
        """Of one GPU that never waits."""
        return 3600 / self.gpu_s_per_video


@dataclass(frozen=True, kw_only=True)
class OnCpu:
    """Decoding and resizing before the GPU.

    Attributes:
        core_s_per_video: seconds of one core.
        workers: cores at work.
        videos_per_hour: of CPU and GPU together (of the CPU alone where no GPU is named).
        bottleneck: "cpu" or "gpu"; None where no GPU is named.
        cpu_busy, gpu_busy: share of the time that each works.
        workers_needed: cores that would keep one GPU busy.
    """

    core_s_per_video: float
    workers: float
    videos_per_hour: float
    bottleneck: str | None = None
    cpu_busy: float = 1.0
    gpu_busy: float | None = None
    workers_needed: float | None = None


@dataclass(frozen=True, kw_only=True)
class OverLife:
    """Finetuning against inference, in FLOPs; in dollars too where a GPU is named.

    Attributes:
        sentence: what is assumed about finetuning.
        videos_per_month, months: volume and horizon.
        finetuning_flops, inference_flops: over the horizon; ratio is the second over the first.
        crossover_per_month: videos a month above which inference outweighs finetuning.
        finetuning_dollars, inference_dollars, dollar_ratio, dollar_crossover_per_month: the same in money.
    """

    sentence: str
    videos_per_month: float
    months: float
    finetuning_flops: float
    inference_flops: float
    ratio: float
    crossover_per_month: float
    finetuning_dollars: float | None = None
    inference_dollars: float | None = None
    dollar_ratio: float | None = None
    dollar_crossover_per_month: float | None = None


@dataclass(frozen=True, kw_only=True)
class Quote:
    """A configuration costed in full.

    Attributes:
        model: the video VLM; lm its language model, with lm_params as the paper counts x_N (or as the user did).
        request: what was asked.
        visual_tokens, prompt_tokens: that the language model reads per video.
        flops: per video, by part (PARTS) and "total".
        paper_flops: by the paper's prefill formula, by part ("encoder", "lm") and "total".
        paper_error: the formula's total over the exact prefill total, less 1.
        lm_only_flops: the formula without the encoder.
        memory: bytes by part and "total", for the batch.
        on_gpu, on_cpu, over_life: None where not asked for.
        notes: what must be read with it.
    """

    model: str
    lm: str
    lm_params: float
    request: Request
    visual_tokens: float
    prompt_tokens: float
    flops: Mapping[str, float]
    paper_flops: Mapping[str, float]
    paper_error: float
    lm_only_flops: float
    memory: Mapping[str, float]
    on_gpu: OnGpu | None = None
    on_cpu: OnCpu | None = None
    over_life: OverLife | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class VideoFile:
    """A file to decode before the GPU, and who decodes it.

    Args:
        video: the file.
        gop: frames between its key frames.
        workers: CPU cores that decode.
        seek: jump to key frames; False reads the file through.
        decoding: what one core takes.
    """

    video: Video
    gop: int = USUAL_GOP
    workers: float = 1.0
    seek: bool = True
    decoding: Decoding = PRIOR


@dataclass(frozen=True, kw_only=True)
class Horizon:
    """A finetuning run, and the inference after it."""

    finetuning: Finetuning
    videos_per_month: float
    months: float = 1.0


def quote(vlm: VideoVLM, request: Request, *, profile: Profile | None = None, price_per_hour: float | None = None,
          file: VideoFile | None = None, horizon: Horizon | None = None, formula: PaperCost | None = None) -> Quote:
    """Cost one configuration in full.

    Args:
        vlm: the model.
        request: frames, tokens, batch.
        profile: the GPU, measured or by data sheet; None for what needs no GPU.
        price_per_hour: dollars; None for the GPU's own.
        file: the video file, for the CPU's stage.
        horizon: finetuning and volume, for the lifetime.
        formula: the paper's formula, with its encoder.

    Raises:
        InputError: tokens that the model cannot make of a frame, or a number out of range.
    """
    r = request
    if vlm.projector.pooled:
        check_square(r.tokens_per_frame)
    if price_per_hour is not None and profile is None:
        raise InputError("a price needs a GPU; name one with --gpu, in Python with a profile of it")
    flops = exact_flops(vlm, r.frames, r.tokens_per_frame, text_tokens=r.text_tokens, output_tokens=r.output_tokens)
    lm_params = float(r.lm_params or vlm.lm.scaling_params)
    point = np.array([[lm_params, r.frames, r.tokens_per_frame]], dtype=np.float64)
    formula = formula or PaperCost()
    by_paper = {"encoder": float(formula.encoder_cost(point)[0]), "lm": float(formula.lm_cost(point)[0]),
                "total": float(formula.cost(point)[0])}
    visual = float(visual_tokens(vlm, r.frames, r.tokens_per_frame))
    on_gpu = None if profile is None else _on_gpu(vlm, r, profile, price_per_hour, flops)
    return Quote(
        model=vlm.name, lm=vlm.lm.name, lm_params=lm_params, request=r, visual_tokens=visual,
        prompt_tokens=visual + r.text_tokens,
        flops={name: float(getattr(flops, name)) for name in (*PARTS, "total")}, paper_flops=by_paper,
        paper_error=by_paper["total"] / float(flops.total - flops.decode) - 1,
        lm_only_flops=float(LmOnlyCost().cost(point)[0]), memory=_memory(vlm, r),
        on_gpu=on_gpu, on_cpu=None if file is None else _on_cpu(file, r, on_gpu),
        over_life=None if horizon is None else _over_life(vlm, r, horizon, flops, on_gpu),
        notes=_notes(r, on_gpu, file, horizon),
    )


def _memory(vlm: VideoVLM, r: Request) -> dict[str, float]:
    found = _memory_of(vlm, r)
    names = ("weights", "kv_cache", "activations", "encoder", "reserve", "total", "kv_per_video")
    return {name: float(getattr(found, name)) for name in names}


def _memory_of(vlm: VideoVLM, r: Request) -> Memory:
    return memory(vlm, r.frames, r.tokens_per_frame, text_tokens=r.text_tokens, output_tokens=r.output_tokens,
                  batch=r.batch, dtype=r.dtype, kv_dtype=r.kv_dtype)


# --- the GPU ----------------------------------------------------------------------------------------------


def _on_gpu(vlm: VideoVLM, r: Request, profile: Profile, price_per_hour: float | None, flops: Flops) -> OnGpu:
    from vidscale.cost.latency import request_time

    gpu = profile.sheet if price_per_hour is None else profile.sheet.at_price(price_per_hour)
    time = request_time(vlm, r.frames, r.tokens_per_frame, profile=profile, batch=r.batch, text_tokens=r.text_tokens,
                        output_tokens=r.output_tokens)
    seconds = {name: float(np.squeeze(getattr(time, name))) for name in ("encoder", "projector", "prefill", "decode")}
    stages = _stages(vlm, r, profile, seconds, flops)
    per_video = float(np.squeeze(time.gpu_seconds_per_video))
    paid, held = price(per_video, gpu), _memory_of(vlm, r)
    return OnGpu(
        gpu=gpu, calibrated=profile.calibrated, stages=stages, ttft_s=float(np.squeeze(time.ttft)),
        per_output_token_s=float(np.squeeze(time.per_output_token)), total_s=float(np.squeeze(time.total)),
        gpu_s_per_video=per_video, bottleneck=max(stages, key=lambda stage: stage.seconds).name,
        fits=bool(held.fits(gpu)), concurrent_videos=int(held.concurrent_videos(gpu)), dollars=float(paid.dollars),
        dollars_low=float(paid.low), dollars_high=float(paid.high),
        kilowatt_hours_at_most=float(paid.kilowatt_hours_at_most),
        kilowatt_hours=_energy(profile, seconds, r.batch), sentence=_where_from(profile),
    )


def _energy(profile: Profile, seconds: Mapping[str, float], batch: int) -> float | None:
    """Kilowatt-hours of a million videos at measured power; the projector draws what the tower does."""
    phases = {"encoder": "tower", "projector": "tower", "prefill": "prefill", "decode": "decode"}
    if not set(phases.values()) <= set(profile.watts):
        return None
    joules = sum(seconds[stage] * profile.watts[phase] for stage, phase in phases.items())
    return joules / batch * 1e6 / 3.6e6


def _where_from(profile: Profile) -> str:
    """Where times come from, and how far off they were on shapes held out."""
    if not profile.calibrated:
        return (f"times are NOT calibrated: {profile.gpu}'s data sheet and usual efficiencies; run `vidscale "
                "calibrate` on it")
    said = f"times are interpolated from measurements on {profile.gpu}"
    rows = profile.provenance.get("held_out")
    for row in rows if isinstance(rows, list | tuple) else ():
        figures = [row.get(name) for name in ("points", "mean", "worst")] if isinstance(row, Mapping) else []
        if figures and row.get("what") == "all" and all(isinstance(each, int | float) for each in figures):
            return (f"{said}; on {row['points']:g} shapes held out of them {100 * row['mean']:.2g} % off in the mean, "
                    f"{100 * row['worst']:.2g} % at worst")
    return said


def _stages(vlm: VideoVLM, r: Request, profile: Profile, seconds: Mapping[str, float], flops: Flops
            ) -> tuple[Stage, ...]:
    """Every part with its time; prefill's is divided among its operations as these take by themselves."""
    from vidscale.cost.latency import operations_seconds

    prompt = visual_tokens(vlm, r.frames, r.tokens_per_frame) + r.text_tokens
    prefill = prefill_operations(vlm.lm, prompt, batch=r.batch)
    operations: dict[str, Sequence[Operation]] = {
        "encoder": encoder_operations(vlm, r.frames, r.tokens_per_frame, batch=r.batch),
        "projector": projector_operations(vlm, r.frames, r.tokens_per_frame, batch=r.batch),
        "prefill_linear": [op for op in prefill if not isinstance(op, Attention)],
        "prefill_attention": [op for op in prefill if isinstance(op, Attention)],
        "head": head_operations(vlm.lm, batch=r.batch),
    }
    takes = {name: float(np.squeeze(operations_seconds(ops, profile))) for name, ops in operations.items()}
    inside = ("prefill_linear", "prefill_attention", "head")
    whole = sum(takes[name] for name in inside)
    given = {"encoder": seconds["encoder"], "projector": seconds["projector"], "decode": seconds["decode"],
             **{name: seconds["prefill"] * takes[name] / whole for name in inside}}
    if r.output_tokens > 1:
        operations["decode"] = decode_operations(vlm.lm, prompt + r.output_tokens / 2, batch=r.batch)
    return tuple(Stage(name=name, flops=float(getattr(flops, name)) * r.batch, seconds=given[name],
                       bound=_bound(operations[name], profile))
                 for name in PARTS if name in operations)


def _bound(operations: Iterable[Operation], profile: Profile) -> str:
    """What most of a stage's time goes to, by the data sheet's roofline of each of its operations."""
    from vidscale.cost.latency import operation_seconds

    spent = {"arithmetic": 0.0, "memory traffic": 0.0, "kernels": 0.0}
    for op in operations:
        computing, moving = _roofline(op, profile.sheet)
        takes = float(np.squeeze(operation_seconds(op, profile)))
        neither = max(computing, moving) < KERNELS_BELOW * takes
        spent["kernels" if neither else "arithmetic" if computing > moving else "memory traffic"] += takes
    return max(spent, key=spent.__getitem__)


def _roofline(op: Operation, gpu: Gpu) -> tuple[float, float]:
    """(seconds of arithmetic, seconds of memory traffic) of all occurrences, in 16 bits, at the data sheet's rates."""
    if isinstance(op, Pointwise):
        return 0.0, float(np.squeeze(POINTWISE[op.kind][0] * op.count * op.rows * op.width)) / gpu.bandwidth
    if isinstance(op, MatMul):
        numbers = op.inputs * op.outputs + op.rows * (op.inputs + op.outputs)
    else:
        numbers = 2 * op.sequences * op.head_dim * (op.heads * op.queries + op.kv_heads * op.keys)
    return float(np.squeeze(op.flops)) / gpu.bf16_flops, float(np.squeeze(2 * op.count * numbers)) / gpu.bandwidth


# --- the CPU, and months of both --------------------------------------------------------------------------


def _on_cpu(file: VideoFile, r: Request, on_gpu: OnGpu | None) -> OnCpu:
    each = float(decode_seconds(file.video, r.frames, gop=file.gop, seek=file.seek, decoding=file.decoding))
    if on_gpu is None:
        both = pipeline(each, 1e-300, workers=file.workers)
        return OnCpu(core_s_per_video=each, workers=file.workers, videos_per_hour=3600 * float(both.videos_per_second))
    both = pipeline(each, on_gpu.gpu_s_per_video, workers=file.workers)
    return OnCpu(core_s_per_video=each, workers=file.workers, videos_per_hour=3600 * float(both.videos_per_second),
                 bottleneck=str(both.bottleneck), cpu_busy=float(both.busy["cpu"]), gpu_busy=float(both.busy["gpu"]),
                 workers_needed=float(workers_needed(each, on_gpu.gpu_s_per_video)))


def _over_life(vlm: VideoVLM, r: Request, horizon: Horizon, flops: Flops, on_gpu: OnGpu | None) -> OverLife:
    once = training_flops(vlm, r.frames, r.tokens_per_frame, horizon.finetuning, text_tokens=r.text_tokens,
                          answer_tokens=r.output_tokens)
    volume = {"videos_per_month": horizon.videos_per_month, "months": horizon.months}
    counted = lifetime(once, flops.total, **volume)
    paid = None
    if on_gpu is not None and on_gpu.gpu.price_per_hour > 0:
        hourly = on_gpu.gpu.price_per_hour / 3600
        paid = lifetime(training_gpu_seconds(once, on_gpu.gpu.bf16_flops) * hourly, on_gpu.gpu_s_per_video * hourly,
                        **volume)
    return OverLife(
        sentence=horizon.finetuning.sentence, finetuning_flops=float(counted.finetuning),
        inference_flops=float(counted.inference), ratio=float(counted.ratio),
        crossover_per_month=float(counted.crossover_per_month), **volume,
        **({} if paid is None else {
            "finetuning_dollars": float(paid.finetuning), "inference_dollars": float(paid.inference),
            "dollar_ratio": float(paid.ratio), "dollar_crossover_per_month": float(paid.crossover_per_month)}),
    )


def _notes(r: Request, on_gpu: OnGpu | None, file: VideoFile | None, horizon: Horizon | None) -> tuple[str, ...]:
    said = ["FLOPs per video, 2 per multiply-add, attention causal; memory of a batch, encoder and prefill not at the "
            "same time, 1.5 GB reserved for the runtime by guess"]
    if on_gpu is not None:
        gpu = on_gpu.gpu
        said.append(on_gpu.sentence)
        if "UNCONFIRMED" in gpu.source:
            said.append(f"{gpu.name}: {gpu.source}")
        if r.dtype not in ("bf16", "fp16") or r.kv_dtype not in ("bf16", "fp16"):
            said.append("times are those of 16-bit weights and cache: other types change memory only")
        if not on_gpu.fits:
            said.append(f"this does not fit in {gpu.memory / 1e9:g} GB of {gpu.name}: times and prices are of a GPU "
                        "that had the memory")
        said.append(f"money at ${gpu.price_per_hour:g} per GPU-hour with the GPU always busy; energy at "
                    f"{'full board power, an upper bound' if on_gpu.kilowatt_hours is None else 'the power measured'}")
    if file is not None and file.decoding is PRIOR:
        said.append("decoding and resizing are a prior from one CPU core and synthetic H.264 clips")
    if horizon is not None:
        said.append(f"training is taken to reach {100 * TRAINING_UTILISATION:g} % of the peak rate where it is priced; "
                    "data, evaluation and failed runs are left out")
    return tuple(said)
