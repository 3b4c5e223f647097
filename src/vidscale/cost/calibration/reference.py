"""The models whose time is measured: plain bf16 PyTorch, one kernel or a few for each operation of `cost.passes`.

The operations are those that transformers runs in Siglip and Llama with scaled-dot-product attention: separate
projections for query, key, value, gate and up, fused only where PyTorch itself has a fused kernel (norms). A decode
step attends to exactly its context. Weights are random: a GPU's clock depends on the values it multiplies, so zeros
would flatter it.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from vidscale.space.architecture import LanguageModel, VisionTower

Tensor = torch.Tensor


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where tensors live and what they hold."""

    device: torch.device
    dtype: torch.dtype

    def weight(self, *shape: int) -> Tensor:
        """A random weight matrix of the scale a trained one has."""
        return torch.empty(*shape, device=self.device, dtype=self.dtype).normal_(0, 0.02)

    def activation(self, *shape: int) -> Tensor:
        return torch.empty(*shape, device=self.device, dtype=self.dtype).normal_()


def rotary(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary position embedding of x, shape (batch, heads, tokens, head size)."""
    half = x.shape[-1] // 2
    turned = torch.cat((-x[..., half:], x[..., :half]), dim=-1)
    return x * cos + turned * sin


def angles(place: Place, positions: Tensor, head_dim: int) -> tuple[Tensor, Tensor]:
    """Cosine and sine of every position's angles, each of shape (tokens, head size)."""
    rates = 5e5 ** (-torch.arange(0, head_dim, 2, device=place.device) / head_dim)
    angle = positions[:, None].float() * rates
    angle = torch.cat((angle, angle), dim=-1)
    return angle.cos().to(place.dtype), angle.sin().to(place.dtype)


class DecoderLayer:
    """One layer of a Llama: norms, grouped-query attention, gated MLP."""

    def __init__(self, lm: LanguageModel, place: Place) -> None:
        d, q, kv, f = int(lm.hidden), int(lm.heads * lm.head_dim), int(lm.kv_heads * lm.head_dim), int(lm.mlp)
        self.head_dim = int(lm.head_dim)
        self.norms = [torch.ones(d, device=place.device, dtype=place.dtype) for _ in range(2)]
        self.q, self.k, self.v, self.o = (place.weight(*s) for s in ((q, d), (kv, d), (kv, d), (d, q)))
        self.gate, self.up, self.down = place.weight(f, d), place.weight(f, d), place.weight(d, f)

    def _heads(self, x: Tensor) -> Tensor:
        return x.view(*x.shape[:2], -1, self.head_dim).transpose(1, 2)

    def _mlp(self, x: Tensor) -> Tensor:
        y = F.rms_norm(x, x.shape[-1:], self.norms[1], 1e-5)
        return x + F.linear(F.silu(F.linear(y, self.gate)) * F.linear(y, self.up), self.down)

    def prefill(self, x: Tensor, cos: Tensor, sin: Tensor, cache: tuple[Tensor, Tensor] | None) -> Tensor:
        """x of shape (batch, tokens, hidden); keys and values go to the cache where there is one."""
        y = F.rms_norm(x, x.shape[-1:], self.norms[0], 1e-5)
        q, k, v = (self._heads(F.linear(y, w)) for w in (self.q, self.k, self.v))
        q, k = rotary(q, cos, sin), rotary(k, cos, sin)
        if cache is not None:
            cache[0][:, :, : k.shape[2]] = k
            cache[1][:, :, : v.shape[2]] = v
        seen = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
        x = x + F.linear(seen.transpose(1, 2).reshape(*x.shape[:2], -1), self.o)
        return self._mlp(x)

    def decode(self, x: Tensor, cos: Tensor, sin: Tensor, cache: tuple[Tensor, Tensor], context: int) -> Tensor:
        """One new token per sequence, x of shape (batch, 1, hidden), which becomes token number `context`."""
        y = F.rms_norm(x, x.shape[-1:], self.norms[0], 1e-5)
        q, k, v = (self._heads(F.linear(y, w)) for w in (self.q, self.k, self.v))
        q, k = rotary(q, cos, sin), rotary(k, cos, sin)
        cache[0][:, :, context - 1 : context] = k
        cache[1][:, :, context - 1 : context] = v
        seen = F.scaled_dot_product_attention(q, cache[0][:, :, :context], cache[1][:, :, :context], enable_gqa=True)
        x = x + F.linear(seen.transpose(1, 2).reshape(*x.shape[:2], -1), self.o)
        return self._mlp(x)


class Decoder:
    """A language model from embeddings to the logits of the last token."""

    def __init__(self, lm: LanguageModel, place: Place) -> None:
        self.lm, self.place = lm, place
        self.layers = [DecoderLayer(lm, place) for _ in range(int(lm.layers))]
        self.norm = torch.ones(int(lm.hidden), device=place.device, dtype=place.dtype)
        self.head = place.weight(int(lm.vocabulary), int(lm.hidden))

    def cache(self, batch: int, tokens: int) -> list[tuple[Tensor, Tensor]]:
        """A key-value cache for that many tokens, filled at random."""
        shape = (batch, int(self.lm.kv_heads), tokens, int(self.lm.head_dim))
        return [(self.place.activation(*shape), self.place.activation(*shape)) for _ in self.layers]

    def prefill(self, x: Tensor, cache: list[tuple[Tensor, Tensor]] | None = None) -> Tensor:
        """Logits after x, shape (batch, tokens, hidden) → (batch, vocabulary)."""
        cos, sin = angles(self.place, torch.arange(x.shape[1], device=x.device), int(self.lm.head_dim))
        for i, layer in enumerate(self.layers):
            x = layer.prefill(x, cos, sin, cache[i] if cache is not None else None)
        return self._logits(x[:, -1])

    def decode(self, x: Tensor, cache: list[tuple[Tensor, Tensor]], context: int) -> Tensor:
        """Logits after one more token per sequence, x of shape (batch, 1, hidden)."""
        position = torch.full((1,), context - 1, device=x.device)
        cos, sin = angles(self.place, position, int(self.lm.head_dim))
        for layer, kept in zip(self.layers, cache):
            x = layer.decode(x, cos, sin, kept, context)
        return self._logits(x[:, -1])

    def _logits(self, last: Tensor) -> Tensor:
        return F.linear(F.rms_norm(last, last.shape[-1:], self.norm, 1e-5), self.head)


class EncoderLayer:
    """One layer of a vision transformer with plain MLP and biases."""

    def __init__(self, tower: VisionTower, place: Place) -> None:
        d, f = tower.hidden, tower.mlp
        self.head_dim = tower.head_dim
        shapes = ((d, d), (d, d), (d, d), (d, d), (f, d), (d, f))
        self.weights = [place.weight(*shape) for shape in shapes]
        self.biases = [place.weight(shape[0]) for shape in shapes]
        self.norms = [(torch.ones(d, device=place.device, dtype=place.dtype), place.weight(d)) for _ in range(2)]

    def _linear(self, x: Tensor, i: int) -> Tensor:
        return F.linear(x, self.weights[i], self.biases[i])

    def __call__(self, x: Tensor) -> Tensor:
        y = F.layer_norm(x, x.shape[-1:], *self.norms[0])
        q, k, v = (self._linear(y, i).view(*x.shape[:2], -1, self.head_dim).transpose(1, 2) for i in range(3))
        seen = F.scaled_dot_product_attention(q, k, v)
        x = x + self._linear(seen.transpose(1, 2).reshape(x.shape), 3)
        y = F.layer_norm(x, x.shape[-1:], *self.norms[1])
        return x + self._linear(F.gelu(self._linear(y, 4), approximate="tanh"), 5)


class Tower:
    """A vision transformer from pixels to features, frames as a batch.

    The patch embedding is a convolution whose result is transposed, as in transformers and in servers built on it. That
    leaves the residual stream with channels apart in memory, which every layer then pays for; `contiguous` lays it out
    afresh once, as a tuned server would.
    """

    def __init__(self, tower: VisionTower, place: Place, contiguous: bool = False) -> None:
        self.tower, self.place, self.contiguous = tower, place, contiguous
        self.embed = place.weight(tower.hidden, 3, tower.patch, tower.patch)
        self.bias = place.weight(tower.hidden)
        self.positions = place.weight(tower.grid**2, tower.hidden)
        self.layers = [EncoderLayer(tower, place) for _ in range(tower.run_layers)]

    def frames(self, count: int) -> Tensor:
        """Random frames, shape (frames, 3, image, image)."""
        side = self.tower.image or 0
        return self.place.activation(count, 3, side, side)

    def __call__(self, frames: Tensor) -> Tensor:
        x = F.conv2d(frames, self.embed, self.bias, stride=self.tower.patch).flatten(2).transpose(1, 2) + self.positions
        if self.contiguous:
            x = x.contiguous()
        for layer in self.layers:
            x = layer(x)
        return x


class Bridge:
    """LLaVA's two-layer projector on every patch, then pooling of the patch grid to k×k."""

    def __init__(self, tower: VisionTower, lm: LanguageModel, place: Place) -> None:
        self.grid = tower.grid
        hidden = int(lm.hidden)
        self.first, self.second = place.weight(hidden, tower.hidden), place.weight(hidden, hidden)
        self.biases = place.weight(hidden), place.weight(hidden)

    def __call__(self, features: Tensor, tokens_per_frame: int) -> Tensor:
        """(frames, patches, tower hidden) → (frames, tokens per frame, LM hidden)."""
        x = F.linear(F.gelu(F.linear(features, self.first, self.biases[0])), self.second, self.biases[1])
        side = round(tokens_per_frame**0.5)
        if side == self.grid:
            return x
        x = x.view(x.shape[0], self.grid, self.grid, -1).permute(0, 3, 1, 2)
        pooled = F.interpolate(x, size=(side, side), mode="bilinear")
        return pooled.flatten(2).transpose(1, 2)


def request(
    tower: Tower, bridge: Bridge, decoder: Decoder, *, frames: int, tokens_per_frame: int, text_tokens: int,
    output_tokens: int, batch: int,
) -> Callable[[], Tensor]:
    """A whole request, ready to be called: tower → projector → pooling → prefill → output tokens one by one."""
    place, hidden = decoder.place, int(decoder.lm.hidden)
    pixels = tower.frames(batch * frames)
    text = place.activation(batch, text_tokens, hidden)
    prompt = frames * tokens_per_frame + text_tokens
    cache = decoder.cache(batch, prompt + output_tokens)
    table = place.weight(int(decoder.lm.vocabulary), hidden)

    def run() -> Tensor:
        visual = bridge(tower(pixels), tokens_per_frame).reshape(batch, frames * tokens_per_frame, hidden)
        logits = decoder.prefill(torch.cat((visual, text), dim=1), cache)
        chosen = logits.argmax(-1)
        for step in range(1, output_tokens):
            logits = decoder.decode(F.embedding(chosen, table)[:, None], cache, prompt + step)
            chosen = logits.argmax(-1)
        return chosen

    return run
