"""What a configuration costs by part, in time, memory and money, as far as that is known."""

import numpy as np

from vidscale.cost.constraints import base_cost
from vidscale.cost.paper import LmOnlyCost, PaperCost
from vidscale.cost.quote import Quote, Request, quote
from vidscale.errors import InputError
from vidscale.recommend.answerer import Answerer, Asked
from vidscale.recommend.recommendation import Configuration, CostDetail, Flops
from vidscale.space import ScalingFactors
from vidscale.study import FrontierPoint


def named(answerer: Answerer, asked: Asked, x: ScalingFactors) -> Configuration:
    """A configuration with its language model's name; a stand-in has none."""
    vlm = answerer.vlm(asked.settings, x.lm_params)
    known = vlm is not None and not vlm.lm.interpolated
    return Configuration(lm_params=x.lm_params, lm_name=vlm.lm.name if vlm is not None and known else None,
                         frames=x.frames, tokens_per_frame=x.tokens_per_frame)


def cost_detail(answerer: Answerer, asked: Asked, chosen: FrontierPoint) -> CostDetail:
    """The cost of the chosen configuration in full.

    FLOPs are counted as the cost that is asked for counts them: by the formula for flops and lm-only, in the shapes of
    models for all others.
    """
    x, base = chosen.configuration, base_cost(asked.cost)
    point = np.array([list(x)], dtype=np.float64)
    value, share = chosen.cost, chosen.encoder_share
    found = answerer.details.get((asked.settings, tuple(x)), lambda: _quote(answerer, asked, x))
    flops = _flops(base, point, found)
    if found is None:
        return CostDetail(value=value, unit=base.unit, encoder_share=share, flops=flops)
    gpu, vlm = found.on_gpu, answerer.vlm(asked.settings, x.lm_params)
    model = f"{found.model} (a stand-in)" if vlm is not None and vlm.lm.interpolated else found.model
    detail = CostDetail(value=value, unit=base.unit, encoder_share=share, flops=flops,
                        memory_bytes=found.memory["total"], model=model)
    if gpu is None:
        return detail
    return CostDetail(
        value=value, unit=base.unit, encoder_share=share, flops=flops, memory_bytes=found.memory["total"],
        model=model, first_token_s=gpu.ttft_s, seconds=gpu.total_s, videos_at_once=gpu.concurrent_videos,
        dollars=gpu.dollars, slowest_stage=gpu.bottleneck, gpu=gpu.gpu.name)


def _quote(answerer: Answerer, asked: Asked, x: ScalingFactors) -> Quote | None:
    """None where the family has no such model, or it cannot make such tokens of a frame."""
    s = asked.settings
    vlm = answerer.vlm(s, x.lm_params)
    if vlm is None:
        return None
    request = Request(lm_params=x.lm_params, frames=x.frames, tokens_per_frame=x.tokens_per_frame,
                      text_tokens=s.text_tokens, output_tokens=s.output_tokens, batch=s.batch)
    profile = answerer.profile(s)
    price = s.price if profile is not None else None
    try:
        return quote(vlm, request, profile=profile, price_per_hour=price)
    except InputError:
        return None


def _flops(base, point, found: Quote | None) -> Flops:
    if isinstance(base, PaperCost):
        parts = float(base.encoder_cost(point)[0]), float(base.lm_cost(point)[0])
        return Flops(counting="paper", encoder=parts[0], projector=None, prefill=parts[1], decode=None,
                     total=sum(parts))
    if isinstance(base, LmOnlyCost) or found is None:
        lm = float(LmOnlyCost().cost(point)[0])
        return Flops(counting="lm-only", encoder=0.0, projector=None, prefill=lm, decode=None, total=lm)
    f = found.flops
    prefill = f["prefill_linear"] + f["prefill_attention"] + f["head"]
    return Flops(counting="exact", encoder=f["encoder"], projector=f["projector"], prefill=prefill,
                 decode=f["decode"], total=f["total"])
