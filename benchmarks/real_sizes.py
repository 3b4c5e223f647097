"""A finetuning step at the paper's sizes: SigLIP-so400m and a Llama 3 shape, random weights, random clips.

The model, its training step, precision and sharding are those of `vidscale run`; only files and decoding are left out.

    python benchmarks/real_sizes.py --lm 3B --frames 32 --tokens 196
    torchrun --nproc-per-node 2 benchmarks/real_sizes.py --lm 8B --frames 32 --tokens 196

Prints, as JSON, seconds a step, tokens/s, model-FLOPs utilisation (padding and recomputed activations count as no work)
and peak memory, over the steps after the first two.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import torch
from transformers import LlamaConfig, LlamaForCausalLM, SiglipVisionConfig, SiglipVisionModel

from vidscale.runs.conversations import Example, Speller
from vidscale.runs.distributed import Team, team
from vidscale.runs.flops import peak_flops
from vidscale.runs.model import Projector, SiglipTower, VideoLanguageModel
from vidscale.runs.recipe import TrainingRecipe
from vidscale.runs.tiny import make_tokenizer
from vidscale.runs.train import Clips, finetune, prepare

VOCABULARY = 128_256
#: hidden, MLP, layers, heads, key-value heads, tied head: Meta's Llama-3.2-1B and 3B and Llama-3.1-8B; a tiny one.
SHAPES = {"1B": (2048, 8192, 16, 32, 8, True), "3B": (3072, 8192, 28, 24, 8, True),
          "8B": (4096, 14336, 32, 32, 8, False), "tiny": (64, 128, 2, 4, 2, True)}
WARM_UP = 2


def build(lm: str, tokens_per_frame: int, attention: str) -> VideoLanguageModel:
    """The model with random weights, on the default device."""
    hidden, mlp, layers, heads, kv_heads, tied = SHAPES[lm]
    small = lm == "tiny"
    vision = SiglipVisionConfig(hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4,
                                image_size=56, patch_size=14) if small else SiglipVisionConfig(
        hidden_size=1152, intermediate_size=4304, num_hidden_layers=27, num_attention_heads=16, image_size=384,
        patch_size=14)
    text = LlamaConfig(hidden_size=hidden, intermediate_size=mlp, num_hidden_layers=layers, num_attention_heads=heads,
                       num_key_value_heads=kv_heads, vocab_size=1000 if small else VOCABULARY,
                       tie_word_embeddings=tied, max_position_embeddings=131_072)
    vision._attn_implementation = text._attn_implementation = attention
    return VideoLanguageModel(SiglipTower(SiglipVisionModel(vision)), Projector(vision.hidden_size, hidden),
                              LlamaForCausalLM(text), tokens_per_frame=tokens_per_frame)


def measure(asked: argparse.Namespace, members: Team) -> dict[str, Any]:
    """Train a few steps and say how fast they were."""
    recipe = TrainingRecipe(batch=asked.batch, micro_batch=asked.micro_batch, precision="bf16",
                            activation_checkpointing=asked.checkpointing)
    torch.manual_seed(0)
    with members.device:
        model = build(asked.lm, asked.tokens, asked.attention)
    prepare(model, recipe, asked.trained.split(","), members)
    text = "question " * 30 + "answer"
    speller = Speller(make_tokenizer([text]), "plain", asked.frames * asked.tokens)
    side = model.tower.image_size
    clip = torch.randint(0, 256, (asked.frames, 3, side, side)).to(torch.uint8)
    examples = [Example(id=str(i), video=Path("clip"), turns=((text, "answer " * 20),))
                for i in range(asked.batch * (WARM_UP + asked.steps))]
    records = []
    finetune(model, examples, speller, Clips(load=lambda path: clip, frames=asked.frames), recipe, seed=0, folder=None,
             identity="", members=members, report=lambda progress, notes: records.append(progress))
    first, last = records[WARM_UP], records[-1]
    seconds = last.train_time_s - first.train_time_s
    flops, tokens = last.trained_flops - first.trained_flops, last.tokens - first.tokens
    name = torch.cuda.get_device_name(members.device) if members.device.type == "cuda" else "CPU"
    peak = peak_flops(name)
    return {**vars(asked), "devices": f"{members.size} x {name}", "torch": torch.__version__,
            "seconds_per_step": round(seconds / asked.steps, 4), "tokens_per_s": round(tokens / seconds),
            "tflops_per_s": round(flops / seconds / 1e12, 3),
            "mfu": None if peak is None else round(flops / seconds / (peak * members.size), 4),
            "peak_memory_gib": round(last.peak_memory / 2**30, 2), "loss": round(last.loss, 4)}


def main() -> None:
    """Read the options, measure, print."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--lm", choices=list(SHAPES), default="3B")
    options.add_argument("--frames", type=int, default=32)
    options.add_argument("--tokens", type=int, default=196)
    options.add_argument("--batch", type=int, default=8)
    options.add_argument("--micro-batch", type=int, default=1)
    options.add_argument("--steps", type=int, default=5)
    options.add_argument("--trained", default="projector,lm")
    options.add_argument("--checkpointing", action="store_true")
    options.add_argument("--attention", default="sdpa")
    with team() as members:
        found = measure(options.parse_args(), members)
        if members.leads:
            print(json.dumps(found))


if __name__ == "__main__":
    main()
