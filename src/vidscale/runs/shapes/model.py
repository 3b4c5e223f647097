"""The study's video VLM: SigLIP-shaped tower → pooling to k×k → two-layer projector → Llama-shaped decoder.

The same functions as transformers' SiglipVisionModel (last hidden state before the final norm) and LlamaForCausalLM,
written for one purpose: many short questions on one video. A clip's sequence is

    [ video tokens, frame by frame ] [ question 1 ] … [ question 12 ]

and a question attends to the video and to itself only, at the positions that follow the video, so its answer is the
same as if it were asked alone. Video tokens attend causally. Attention is therefore two calls: a causal one over the
video, and one of all question words over (video, own question) with a small mask.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vidscale.runs.pooling import pool_to_grid
from vidscale.runs.shapes.questions import QUESTION_WORDS, WORDS
from vidscale.runs.shapes.render import LABELS
from vidscale.runs.shapes.scene import GRID, PATCH

HEAD_DIM = 32
#: As large as long-context Llamas have it: slow turns leave room for what is said, fast ones for where.
ROPE_THETA = 1e7


@dataclass(frozen=True, kw_only=True)
class TowerShape:
    """A vision transformer on the 8×8 patch grid: L layers, D hidden, F MLP; 64 tokens per frame."""

    layers: int
    hidden: int
    mlp: int

    @property
    def params(self) -> int:
        """x_M: patch embedding, position embeddings and layers; every one of the 64 tokens goes through all."""
        embeddings = (3 * PATCH * PATCH + 1) * self.hidden + GRID * GRID * self.hidden
        layer = 4 * (self.hidden + 1) * self.hidden + 2 * self.hidden * self.mlp + self.mlp + 5 * self.hidden
        return embeddings + self.layers * layer


@dataclass(frozen=True, kw_only=True)
class LmShape:
    """A Llama: L layers, D hidden (heads of 32), F gated MLP; the head shares nothing with the embeddings."""

    name: str
    layers: int
    hidden: int
    mlp: int

    @property
    def heads(self) -> int:
        return self.hidden // HEAD_DIM

    @property
    def params(self) -> int:
        """x_N: all parameters less the input embeddings, as the paper counts them."""
        layer = 4 * self.hidden**2 + 3 * self.hidden * self.mlp + 2 * self.hidden
        return self.layers * layer + self.hidden + len(WORDS) * self.hidden


class Tower(nn.Module):
    """SigLIP's vision transformer without its final norm; heads for dense labels serve pretraining only."""

    def __init__(self, shape: TowerShape) -> None:
        super().__init__()
        self.shape = shape
        self.patch = nn.Linear(3 * PATCH * PATCH, shape.hidden)
        self.position = nn.Parameter(torch.randn(GRID * GRID, shape.hidden) * 0.02)
        self.layers = nn.ModuleList(_TowerLayer(shape) for _ in range(shape.layers))

    def forward(self, patches: Tensor) -> Tensor:
        """Features of patches: (..., 64, 192) to (..., 64, hidden)."""
        lead = patches.shape[:-2]
        x = self.patch(patches).flatten(0, -3) + self.position
        for layer in self.layers:
            x = layer(x)
        return x.view(*lead, GRID * GRID, -1)


class _TowerLayer(nn.Module):
    def __init__(self, shape: TowerShape) -> None:
        super().__init__()
        self.heads = shape.hidden // HEAD_DIM
        self.norm_1 = nn.LayerNorm(shape.hidden, eps=1e-6)
        self.qkv = nn.Linear(shape.hidden, 3 * shape.hidden)
        self.out = nn.Linear(shape.hidden, shape.hidden)
        self.norm_2 = nn.LayerNorm(shape.hidden, eps=1e-6)
        self.up = nn.Linear(shape.hidden, shape.mlp)
        self.down = nn.Linear(shape.mlp, shape.hidden)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = _split_heads(self.qkv(self.norm_1(x)), self.heads)
        x = x + self.out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))
        return x + self.down(F.gelu(self.up(self.norm_2(x)), approximate="tanh"))


class DenseHeads(nn.Module):
    """One linear classifier per label of a patch, on normalised features."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(hidden)
        self.heads = nn.ModuleDict({name: nn.Linear(hidden, classes) for name, classes in LABELS.items()})

    def forward(self, features: Tensor) -> dict[str, Tensor]:
        x = self.norm(features)
        return {name: head(x) for name, head in self.heads.items()}


def _split_heads(qkv: Tensor, heads: int) -> tuple[Tensor, Tensor, Tensor]:
    """(batch, length, 3 · hidden) to three of (batch, heads, length, head size)."""
    q, k, v = qkv.unflatten(-1, (3, heads, -1)).permute(2, 0, 3, 1, 4)
    return q, k, v


class Projector(nn.Module):
    """LLaVA's: linear, GELU, linear."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(inputs, hidden), nn.Linear(hidden, hidden)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(F.gelu(self.first(x)))


class RmsNorm(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, x.shape[-1:], self.weight.to(x.dtype), eps=1e-5)


def rotary(length: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Cosines and sines of positions 0 … length-1, each of shape (length, head size)."""
    half = HEAD_DIM // 2
    rate = ROPE_THETA ** (-torch.arange(half, device=device, dtype=torch.float32) / half)
    angle = torch.arange(length, device=device, dtype=torch.float32)[:, None] * rate
    both = torch.cat([angle, angle], dim=1)
    return both.cos(), both.sin()


def _rotated(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat([-second, first], dim=-1) * sin


class _Layer(nn.Module):
    """A Llama layer on video tokens and question words; see the module's text."""

    def __init__(self, shape: LmShape) -> None:
        super().__init__()
        self.heads = shape.heads
        self.norm_1, self.norm_2 = RmsNorm(shape.hidden), RmsNorm(shape.hidden)
        self.qkv = nn.Linear(shape.hidden, 3 * shape.hidden, bias=False)
        self.out = nn.Linear(shape.hidden, shape.hidden, bias=False)
        self.gate_up = nn.Linear(shape.hidden, 2 * shape.mlp, bias=False)
        self.down = nn.Linear(shape.mlp, shape.hidden, bias=False)

    def forward(self, x: Tensor, video: int, cos: Tensor, sin: Tensor, mask: Tensor, last: bool) -> Tensor:
        """One layer; the last one leaves the video tokens out of its result, since nothing reads them."""
        q, k, v = _split_heads(self.qkv(self.norm_1(x)), self.heads)
        q, k = _rotated(q, cos, sin), _rotated(k, cos, sin)
        mixed = F.scaled_dot_product_attention(q[:, :, video:], k, v, attn_mask=mask)
        if last:
            x = x[:, video:]
        else:
            own = F.scaled_dot_product_attention(q[:, :, :video], k[:, :, :video], v[:, :, :video], is_causal=True)
            mixed = torch.cat([own, mixed], dim=2)
        x = x + self.out(mixed.transpose(1, 2).flatten(2))
        gate, up = self.gate_up(self.norm_2(x)).chunk(2, dim=-1)
        return x + self.down(F.silu(gate) * up)


def seen(width: int) -> Tensor:
    """Words as they are seen rather than said: a fixed random rotation of embeddings, shape (width, width)."""
    generator = torch.Generator().manual_seed(width)
    return torch.linalg.qr(torch.randn(width, width, generator=generator))[0]


@torch.no_grad()
def start_matching(layer: "_Layer", gain: float = 1.5) -> None:
    """Have every other head look for visual tokens that show the query's own word.

    Pretrained language models come with heads that find a token by its content; models as small as these would spend
    most of their pretraining on growing them. A head's query of a word equals its key of the same word seen, along the
    pairs of dimensions that turn too slowly for the distance to matter; training may do with it what it likes.
    """
    width = layer.qkv.weight.shape[1]
    half = HEAD_DIM // 2
    slow = torch.arange(HEAD_DIM) % half >= half - 2 * half // 3
    for head in range(0, layer.heads, 2):
        rows = torch.arange(head * HEAD_DIM, (head + 1) * HEAD_DIM)
        query, key = layer.qkv.weight[rows], layer.qkv.weight[width + rows]
        query = torch.where(slow[:, None], gain * query, 0.3 * query)
        key = torch.where(slow[:, None], query @ seen(width).T, 0.3 * key)
        layer.qkv.weight[rows], layer.qkv.weight[width + rows] = query, key


class Decoder(nn.Module):
    """The language model."""

    def __init__(self, shape: LmShape) -> None:
        super().__init__()
        self.shape = shape
        self.embed = nn.Embedding(len(WORDS), shape.hidden)
        self.layers = nn.ModuleList(_Layer(shape) for _ in range(shape.layers))
        self.norm = RmsNorm(shape.hidden)
        self.head = nn.Linear(shape.hidden, len(WORDS), bias=False)
        for name, weight in self.named_parameters():
            # Scaled to the width: the usual 0.02 is made for hidden sizes of thousands and starts small models slowly.
            if name == "embed.weight":
                nn.init.normal_(weight, std=0.5)
            elif weight.ndim == 2:
                ends = name.endswith(("out.weight", "down.weight"))
                nn.init.normal_(weight, std=(0.5 if ends else 1.0) / math.sqrt(weight.shape[1]))
        for layer in self.layers:
            assert isinstance(layer, _Layer)
            start_matching(layer)

    def forward(self, video: Tensor, words: Tensor) -> Tensor:
        """Logits of each question's answer.

        Args:
            video: projected visual tokens, shape (clips, tokens, hidden).
            words: questions, shape (clips, questions, words).

        Returns:
            Shape (clips, questions, vocabulary).
        """
        clips, asked, length = words.shape
        tokens = video.shape[1]
        x = torch.cat([video, self.embed(words).flatten(1, 2).to(video.dtype)], dim=1)
        cos, sin = self._rotary(tokens, asked, length, x)
        mask = question_mask(tokens, asked, length, x.device)
        for i, layer in enumerate(self.layers):
            x = layer(x, tokens, cos, sin, mask, last=i + 1 == len(self.layers))
        answers = x.view(clips, asked, length, -1)[:, :, -1]
        return self.head(self.norm(answers))

    @staticmethod
    def _rotary(tokens: int, asked: int, length: int, x: Tensor) -> tuple[Tensor, Tensor]:
        """As if each question stood alone behind the video."""
        cos, sin = (table.to(x.dtype) for table in rotary(tokens + length, x.device))
        cos, sin = (torch.cat([table, *[table[tokens:]] * (asked - 1)]) for table in (cos, sin))
        return cos, sin


def question_mask(tokens: int, asked: int, length: int, device: torch.device) -> Tensor:
    """Which keys a question's word sees: bool, shape (asked · length, tokens + asked · length)."""
    place = torch.arange(asked * length, device=device)
    same = place[:, None] // length == place // length
    own = same & (place[:, None] >= place)
    return torch.cat([own.new_ones(len(place), tokens), own], dim=1)


class VideoLm(nn.Module):
    """Projector and language model: all that is trained after the tower."""

    def __init__(self, tower: TowerShape, lm: LmShape) -> None:
        super().__init__()
        self.projector = Projector(tower.hidden, lm.hidden)
        self.decoder = Decoder(lm)

    def forward(self, features: Tensor, words: Tensor, k: int) -> Tensor:
        """Answer logits from the tower's features, shape (clips, frames, 64, tower hidden), pooled to k×k."""
        video = self.projector(pool_to_grid(features, k)).flatten(1, 2)
        return self.decoder(video, words)


def training_flops(tower: TowerShape, lm: LmShape, *, frames: int, tokens: int, questions: int) -> float:
    """FLOPs to train on one clip: 2 per weight and token forward, 4 backward; the frozen tower goes forward only.

    Counts the question words, and leaves out attention products, the projector, rendering and the optimiser.
    """
    forward = lm.params * (frames * tokens + questions * QUESTION_WORDS)
    return 2.0 * tower.params * GRID * GRID * frames + 6.0 * forward


def llama_state(decoder: Decoder) -> dict[str, Tensor]:
    """The decoder's weights under the names of transformers' LlamaForCausalLM."""
    state = {"model.embed_tokens.weight": decoder.embed.weight, "model.norm.weight": decoder.norm.weight,
             "lm_head.weight": decoder.head.weight}
    for i, layer in enumerate(decoder.layers):
        at = f"model.layers.{i}."
        assert isinstance(layer, _Layer)
        for name, part in zip("qkv", layer.qkv.weight.chunk(3)):
            state[f"{at}self_attn.{name}_proj.weight"] = part
        for name, part in zip(("gate", "up"), layer.gate_up.weight.chunk(2)):
            state[f"{at}mlp.{name}_proj.weight"] = part
        state |= {f"{at}self_attn.o_proj.weight": layer.out.weight, f"{at}mlp.down_proj.weight": layer.down.weight,
                  f"{at}input_layernorm.weight": layer.norm_1.weight,
                  f"{at}post_attention_layernorm.weight": layer.norm_2.weight}
    return {name: weight.detach().clone() for name, weight in state.items()}


def siglip_state(tower: Tower) -> dict[str, Tensor]:
    """The tower's weights under the names of transformers' SiglipVisionModel (no final norm, no pooling head)."""
    state = {"embeddings.patch_embedding.weight": tower.patch.weight.unflatten(1, (3, PATCH, PATCH)),
             "embeddings.patch_embedding.bias": tower.patch.bias,
             "embeddings.position_embedding.weight": tower.position}
    for i, layer in enumerate(tower.layers):
        at = f"encoder.layers.{i}."
        assert isinstance(layer, _TowerLayer)
        parts: Mapping[str, nn.Module] = {"self_attn.out_proj": layer.out, "layer_norm1": layer.norm_1,
                                          "layer_norm2": layer.norm_2, "mlp.fc1": layer.up, "mlp.fc2": layer.down}
        for name, part in parts.items():
            state |= {f"{at}{name}.{kind}": value for kind, value in part.named_parameters()}
        for kind, value in layer.qkv.named_parameters():
            for name, own in zip("qkv", value.chunk(3)):
                state[f"{at}self_attn.{name}_proj.{kind}"] = own
    return {name: weight.detach().clone() for name, weight in state.items()}
