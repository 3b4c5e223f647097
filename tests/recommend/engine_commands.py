"""Commands for many configurations of every family of models, without any fit."""

from types import SimpleNamespace

from vidscale.cost.constraints import Limit
from vidscale.cost.deployment import CostSettings
from vidscale.recommend.commands import commands
from vidscale.recommend.recommendation import Command, Configuration, CostDetail, Flops
from vidscale.space import video_vlm

#: One model of each family, and what tokens per frame are tried with it.
MODELS = {"llava-llama-3.1-8b": (4, 16, 36, 49, 100, 196, 50), "qwen2-vl-7b": (16, 100, 256),
          "qwen2.5-vl-7b": (16, 66, 138.5), "internvl3-8b": (256, 196)}
FRAMES = (1, 2, 7, 32, 5.5)


def asked(**settings):
    """What commands read of a question."""
    made = CostSettings(**settings)
    timed = made.kind == "latency"
    return SimpleNamespace(settings=made, timed=timed, memory=80e9 if made.gpu else None)


def every_command(engine: str) -> list[Command]:
    """The commands of one engine that are commands at all."""
    flops = Flops(counting="paper", encoder=1.0, projector=None, prefill=1.0, decode=None, total=2.0)
    cost = CostDetail(value=1.0, unit="FLOPs", encoder_share=0.5, flops=flops, videos_at_once=12)
    questions = (asked(), asked(kind="latency", gpu="h100", batch=4, text_tokens=900, output_tokens=400,
                                limits=(Limit(kind="memory", value=30e9),)))
    found = []
    for name, tokens in MODELS.items():
        vlm = video_vlm(name)
        for question in questions:
            for t in FRAMES:
                for v in tokens:
                    x = Configuration(lm_params=vlm.lm.scaling_params, lm_name=vlm.lm.name, frames=t,
                                      tokens_per_frame=v)
                    found.append(commands(question, x, cost, vlm)[engine])
    return [each for each in found if each.command is not None]
