"""Tables of what configurations cost in full: one of parts for each, then all of them side by side."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from vidscale.report.numbers import NONE, params, percent, plain, tera
from vidscale.report.plain import jsonable
from vidscale.report.tables import FACTOR_COLUMNS, Column, Table

if TYPE_CHECKING:
    from vidscale.cost import PaperCost
    from vidscale.cost.quote import Quote
    from vidscale.space import ScalingFactors

#: Version of what `quote_dict` gives.
SCHEMA = "vidscale-quote-1"

_PART_NAMES: Mapping[str, str] = {"encoder": "vision encoder", "projector": "projector",
                                  "prefill_linear": "prefill, linear", "prefill_attention": "prefill, attention",
                                  "head": "output head", "decode": "decode"}


def formula_row(model: "PaperCost", x: "ScalingFactors") -> dict[str, float]:
    """One configuration with its costs in FLOPs; `lm_only_bias` is what the LM-only formula misses, as a fraction."""
    import numpy as np

    from vidscale.cost import LmOnlyCost

    point = np.array([list(x)], dtype=np.float64)
    total, lm_only = float(model.cost(point)[0]), float(LmOnlyCost().cost(point)[0])
    return {**x.as_dict(), "encoder_flops": float(model.encoder_cost(point)[0]),
            "lm_flops": float(model.lm_cost(point)[0]), "inference_flops": total,
            "encoder_share": float(model.encoder_share(point)[0]), "lm_only_flops": lm_only,
            "lm_only_bias": lm_only / total - 1}


def quote_dict(quote: "Quote") -> dict[str, Any]:
    """A quote as plain values: the attributes of `Quote` by name, and what follows from them.

    FLOPs and bytes are whole numbers of each, times end in _s and are seconds, money is dollars per million videos.
    """
    found = jsonable(quote)
    if quote.on_gpu is not None:
        found["on_gpu"]["videos_per_hour"] = quote.on_gpu.videos_per_hour
        for held, stage in zip(found["on_gpu"]["stages"], quote.on_gpu.stages, strict=True):
            held["flops_per_second"] = stage.flops_per_second
    return found


def quote_notes(quotes: "Sequence[Quote]") -> list[str]:
    """What must be read with the tables, each sentence once."""
    return list(dict.fromkeys(note for quote in quotes for note in quote.notes))


def quote_tables(quotes: "Sequence[Quote]") -> tuple[Table, ...]:
    """Everything that was costed."""
    tables = [parts_table(each) for each in quotes]
    tables += [formula_table(quotes), memory_table(quotes)]
    makers: tuple[tuple[str, Callable[..., Table]], ...] = (
        ("on_gpu", serving_table), ("on_cpu", cpu_table), ("over_life", life_table))
    tables += [make(quotes) for name, make in makers if any(getattr(q, name) is not None for q in quotes)]
    return tuple(tables)


def parts_table(quote: "Quote") -> Table:
    """FLOPs of one configuration by part, and time where a GPU is named."""
    columns = [Column(name="part", words=True), Column(name="FLOPs", unit="TFLOPs"), Column(name="share", unit="%")]
    rows = [[_PART_NAMES[name], tera(flops), percent(flops / quote.flops["total"])]
            for name, flops in quote.flops.items() if name != "total"]
    rows.append(["total", tera(quote.flops["total"]), "100"])
    on, r = quote.on_gpu, quote.request
    if on is not None:
        batch = f", batch of {r.batch}" if r.batch > 1 else ""
        columns += [Column(name="time", unit=f"ms{batch}"), Column(name="of time", unit="%"),
                    Column(name="reached", unit="TFLOP/s"), Column(name="bound by", words=True)]
        timed = {_PART_NAMES[stage.name]: stage for stage in on.stages}
        for row in rows[:-1]:
            stage = timed.get(row[0])
            row += [NONE] * 3 + [""] if stage is None else [
                _ms(stage.seconds), percent(stage.seconds / on.total_s), tera(stage.flops_per_second), stage.bound]
        rows[-1] += [_ms(on.total_s), "100", tera(sum(s.flops for s in on.stages) / on.total_s), ""]
    notes = (f"{plain(quote.visual_tokens, 6)} visual tokens, {r.text_tokens} of text, {r.output_tokens} of output",
             *((f"bottleneck: {_PART_NAMES[on.bottleneck]}",) if on is not None else ()))
    title = f"{quote.model}: {' × '.join((plain(r.frames, 4), plain(r.tokens_per_frame, 4)))} tokens, per video"
    return Table(title=title, columns=tuple(columns), rows=tuple(map(tuple, rows)), notes=notes)


def formula_table(quotes: "Sequence[Quote]") -> Table:
    """The paper's formula beside exact prefill FLOPs."""
    columns = (*FACTOR_COLUMNS, Column(name="encoder", unit="TFLOPs"), Column(name="LM", unit="TFLOPs"),
               Column(name="formula", unit="TFLOPs"), Column(name="exact prefill", unit="TFLOPs"),
               Column(name="formula errs by", unit="%"), Column(name="LM-only", unit="TFLOPs"))
    rows = tuple((*_configuration(q), tera(q.paper_flops["encoder"]), tera(q.paper_flops["lm"]),
                  tera(q.paper_flops["total"]), tera(q.flops["total"] - q.flops["decode"]), percent(q.paper_error),
                  tera(q.lm_only_flops)) for q in quotes)
    notes = ("the formula counts neither attention, projector, head nor text; LM-only leaves the encoder out as well",)
    return Table(title="The paper's formula", columns=columns, rows=rows, notes=notes, keys=3)


def memory_table(quotes: "Sequence[Quote]") -> Table:
    """Memory by part, and what fits where a GPU is named."""
    parts = {"weights": "weights", "kv_cache": "KV cache", "activations": "prefill", "encoder": "encoder",
             "reserve": "reserve", "total": "total"}
    columns = [*FACTOR_COLUMNS, *(Column(name=shown, unit="GB") for shown in parts.values())]
    rows = [[*_configuration(q), *(_giga(q.memory[name]) for name in parts)] for q in quotes]
    named = next((q.on_gpu.gpu for q in quotes if q.on_gpu is not None), None)
    if named is not None:
        columns += [Column(name=f"fits in {named.memory / 1e9:g} GB", words=True), Column(name="concurrent videos")]
        for row, q in zip(rows, quotes, strict=True):
            assert q.on_gpu is not None
            row += ["yes" if q.on_gpu.fits else "NO", str(q.on_gpu.concurrent_videos)]
    r = quotes[0].request
    notes = [f"batch of {r.batch}; layers in {r.dtype}, cache in {r.kv_dtype}; total counts the larger of prefill and "
             "encoder"]
    if named is not None:
        notes.append("concurrent videos: caches that fit in 90 % of the memory beside the rest")
    return Table(title="Memory", columns=tuple(columns), rows=tuple(map(tuple, rows)), notes=tuple(notes), keys=3)


def serving_table(quotes: "Sequence[Quote]") -> Table:
    """Time, throughput and money on a GPU."""
    first = quotes[0].on_gpu
    assert first is not None
    known = first.kilowatt_hours is not None
    energy = "kWh" if known else "kWh, at most"
    columns = (*FACTOR_COLUMNS, Column(name="first token", unit="ms"), Column(name="per output token", unit="ms"),
               Column(name="request", unit="ms"), Column(name="GPU time per video", unit="s"),
               Column(name="videos per hour"), Column(name="cost of a million videos", unit="$"),
               Column(name="at prices seen", unit="$"), Column(name="energy of a million", unit=energy))
    rows = []
    for q in quotes:
        on = q.on_gpu
        assert on is not None
        each = _ms(on.per_output_token_s) if q.request.output_tokens > 1 else NONE
        rows.append((*_configuration(q), _ms(on.ttft_s), each, _ms(on.total_s), plain(on.gpu_s_per_video, 4),
                     plain(on.videos_per_hour, 4), plain(on.dollars, 3),
                     f"{plain(on.dollars_low, 3)}–{plain(on.dollars_high, 3)}",
                     plain(on.kilowatt_hours if known else on.kilowatt_hours_at_most, 3)))
    source = "calibrated" if first.calibrated else "NOT calibrated"
    batch = quotes[0].request.batch
    return Table(title=f"One {first.gpu.name}, {source}, batch of {batch}", columns=columns, rows=tuple(rows), keys=3,
                 notes=("the first token is counted from when the frames are ready",))


def cpu_table(quotes: "Sequence[Quote]") -> Table:
    """Decoding and resizing on the CPU, and the throughput of both together."""
    columns = [*FACTOR_COLUMNS, Column(name="decode and resize", unit="core-s"), Column(name="cores"),
               Column(name="videos per hour")]
    on_gpu = quotes[0].on_gpu is not None
    if on_gpu:
        columns += [Column(name="bottleneck", words=True), Column(name="CPU busy", unit="%"),
                    Column(name="GPU busy", unit="%"), Column(name="cores that keep the GPU busy")]
    rows = []
    for q in quotes:
        on = q.on_cpu
        assert on is not None
        row = [*_configuration(q), plain(on.core_s_per_video, 3), plain(on.workers, 4), plain(on.videos_per_hour, 4)]
        if on_gpu:
            row += [(on.bottleneck or "").upper(), percent(on.cpu_busy), percent(on.gpu_busy),
                    plain(on.workers_needed, 4)]
        rows.append(tuple(row))
    return Table(title="With the CPU that feeds it" if on_gpu else "CPU before the GPU", columns=tuple(columns),
                 rows=tuple(rows), keys=3)


def life_table(quotes: "Sequence[Quote]") -> Table:
    """Finetuning against inference."""
    first = quotes[0].over_life
    assert first is not None
    money = first.finetuning_dollars is not None
    columns = [*FACTOR_COLUMNS, Column(name="finetuning", unit="EFLOPs"), Column(name="inference", unit="EFLOPs"),
               Column(name="ratio"), Column(name="videos a month where they are equal")]
    if money:
        columns += [Column(name="finetuning", unit="$"), Column(name="inference", unit="$"), Column(name="ratio of $")]
    rows = []
    for q in quotes:
        life = q.over_life
        assert life is not None
        row = [*_configuration(q), plain(life.finetuning_flops / 1e18, 4), plain(life.inference_flops / 1e18, 4),
               plain(life.ratio, 4), plain(life.crossover_per_month, 4)]
        if money:
            row += [plain(life.finetuning_dollars, 4), plain(life.inference_dollars, 4), plain(life.dollar_ratio, 4)]
        rows.append(tuple(row))
    notes = (f"finetuning: {first.sentence}",
             f"inference: {first.videos_per_month:g} videos a month for "
             f"{first.months:g} month{'' if first.months == 1 else 's'}")
    return Table(title="Finetuning and inference", columns=tuple(columns), rows=tuple(rows), notes=notes, keys=3)


def _configuration(quote: "Quote") -> tuple[str, str, str]:
    return (params(quote.lm_params), plain(quote.request.frames, 4), plain(quote.request.tokens_per_frame, 4))


def _ms(seconds: float) -> str:
    return plain(1e3 * seconds, 3)


def _giga(amount: float) -> str:
    return plain(amount / 1e9, 3)
