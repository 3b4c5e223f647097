"""The shapes of a video VLM's parts: all that its cost depends on.

Symbols in comments: L layers, D hidden size, F MLP size, H heads, K key-value heads, h head size, V vocabulary.
A shape may hold fractions: a language model of a size that nobody has released is interpolated between ones that exist.
"""

from dataclasses import dataclass

from vidscale.errors import InputError


def _positive(shape: object, *names: str) -> None:
    for name in names:
        value = getattr(shape, name)
        if not 0 < value < float("inf"):
            raise InputError(f"{type(shape).__name__} {getattr(shape, 'name', '')!r}: {name} is {value!r}; allowed is "
                             "a positive finite number")


@dataclass(frozen=True, kw_only=True)
class LanguageModel:
    """A decoder-only transformer with grouped-query attention and a gated MLP (Llama, Qwen2, InternLM2, ...).

    Attributes:
        name: as published, such as "llama-3.1-8b".
        layers, hidden, heads, kv_heads, head_dim, mlp, vocabulary: L, D, H, K, h, F, V.
        gated_mlp: three MLP matrices instead of two.
        tied: the output head shares the input embedding's weights; a fraction for a shape interpolated between a
            model where it does and one where it does not.
        attention_bias: the query, key and value projections carry a bias (Qwen2).
        qk_norm: queries and keys are normalised head by head (Qwen3).
        interpolated: sizes may hold fractions, see `vidscale.space.ladder`.

    Raises:
        InputError: a size is not positive, or heads is no multiple of kv_heads.
    """

    name: str
    layers: float
    hidden: float
    heads: float
    kv_heads: float
    head_dim: float
    mlp: float
    vocabulary: float
    gated_mlp: bool = True
    tied: float = False
    attention_bias: bool = False
    qk_norm: bool = False
    interpolated: bool = False

    def __post_init__(self) -> None:
        _positive(self, "layers", "hidden", "heads", "kv_heads", "head_dim", "mlp", "vocabulary")
        if not 0 <= self.tied <= 1:
            raise InputError(f"language model {self.name!r}: tied is {self.tied!r}; allowed are True, False and, where "
                             "interpolated, fractions between")
        if not self.interpolated and self.heads % self.kv_heads:
            raise InputError(f"language model {self.name!r}: {self.heads:g} heads do not divide into "
                             f"{self.kv_heads:g} key-value heads; heads must be a multiple of kv_heads")

    @property
    def layer_weights(self) -> float:
        """Weights of one layer's matrices: 2DHh + 2DKh + 3DF."""
        attention = 2 * self.hidden * self.head_dim * (self.heads + self.kv_heads)
        return attention + (3 if self.gated_mlp else 2) * self.hidden * self.mlp

    @property
    def layer_params(self) -> float:
        """Parameters of one layer: matrices, two norms, biases where there are any."""
        bias = (self.heads + 2 * self.kv_heads) * self.head_dim if self.attention_bias else 0
        return self.layer_weights + 2 * self.hidden + bias + (2 * self.head_dim if self.qk_norm else 0)

    @property
    def params(self) -> float:
        """All parameters; a tied head is counted once."""
        embeddings = self.vocabulary * self.hidden * (2 - self.tied)
        return self.layers * self.layer_params + self.hidden + embeddings

    @property
    def scaling_params(self) -> float:
        """x_N as the paper counts it: all parameters less the input embeddings (0.973, 2.819, 7.505 B for Llama 3)."""
        return self.params - self.vocabulary * self.hidden

    @property
    def kv_values_per_token(self) -> float:
        """Numbers that one token adds to the key-value cache: 2LKh."""
        return 2 * self.layers * self.kv_heads * self.head_dim


@dataclass(frozen=True, kw_only=True)
class VisionTower:
    """A vision transformer.

    Attributes:
        name: as published.
        layers, hidden, heads, head_dim, mlp: L, D, H, h, F.
        patch: side of a patch in pixels; temporal_patch: frames that one patch spans.
        image: side in pixels of the square that every frame is resized to; None where the resolution is dynamic.
        class_tokens: tokens beside the patches (InternViT has one).
        gated_mlp: three MLP matrices instead of two.
        window: side of an attention window in patches; None where every layer attends within the whole image.
        full_attention_layers: layers that attend within the whole image although window is set.
        skipped_layers: layers that exist but need not run (LLaVA takes the features before the last one). They are
            not counted, although an engine may run them all the same, as transformers does.
        norm: "layer_norm" or "rms_norm".
        rotary: positions are rotated into queries and keys; False where they are learned and added to the patches.
        fused_qkv: queries, keys and values come from one matrix; the same FLOPs, fewer operations.
        layer_scale: each branch is scaled by a learned vector before it is added (InternViT).
        final_norm: a norm after the last layer (SigLIP, CLIP); pre_norm: one before the first (CLIP).
    """

    name: str
    layers: int
    hidden: int
    heads: int
    head_dim: int
    mlp: int
    patch: int
    temporal_patch: int = 1
    image: int | None = None
    class_tokens: int = 0
    gated_mlp: bool = False
    window: int | None = None
    full_attention_layers: tuple[int, ...] = ()
    skipped_layers: int = 0
    norm: str = "layer_norm"
    rotary: bool = False
    fused_qkv: bool = False
    layer_scale: bool = False
    final_norm: bool = False
    pre_norm: bool = False

    def __post_init__(self) -> None:
        _positive(self, "layers", "hidden", "heads", "head_dim", "mlp", "patch", "temporal_patch")
        if self.heads * self.head_dim != self.hidden:
            raise InputError(f"vision tower {self.name!r}: {self.heads} heads of {self.head_dim} do not make up hidden "
                             f"size {self.hidden}; heads must divide it")
        if self.image is not None and not self.patch <= self.image:
            raise InputError(f"vision tower {self.name!r}: an image of {self.image} pixels holds no patch of "
                             f"{self.patch}; image must be at least patch")
        if not 0 <= self.skipped_layers < self.layers:
            raise InputError(f"vision tower {self.name!r}: {self.skipped_layers} of {self.layers} layers skipped; at "
                             "least one must run")

    @property
    def run_layers(self) -> int:
        """Layers that run."""
        return self.layers - self.skipped_layers

    @property
    def grid(self) -> int:
        """Patches along a side of the fixed square image; raises InputError where the resolution is dynamic."""
        if self.image is None:
            raise InputError(f"vision tower {self.name!r} has no fixed image size; give a resolution")
        return self.image // self.patch

    @property
    def patch_values(self) -> int:
        """Numbers in one patch of pixels: 3 colours × p² × t_p."""
        return 3 * self.patch**2 * self.temporal_patch

    @property
    def layer_params(self) -> int:
        """Parameters of one layer, biases and norms included."""
        up = 2 if self.gated_mlp else 1
        matrices = 4 * self.hidden**2 + (up + 1) * self.hidden * self.mlp
        biases = 5 * self.hidden + up * self.mlp
        return matrices + biases + 2 * self.norm_params + (2 * self.hidden if self.layer_scale else 0)

    @property
    def norm_params(self) -> int:
        """Parameters of one norm: a weight, and a bias in a layer norm."""
        return self.hidden * (1 if self.norm == "rms_norm" else 2)

    @property
    def params(self) -> int:
        """All parameters, skipped layers included, without the pooling head that no video VLM uses.

        413.0 million for SigLIP-so400m; the paper's 430 million counts that head.
        """
        positions = 0 if self.image is None else self.hidden * (self.grid**2 + self.class_tokens)
        patches = self.patch_values * self.hidden + (0 if self.rotary or self.pre_norm else self.hidden)
        norms = self.norm_params * (self.final_norm + self.pre_norm)
        return self.layers * self.layer_params + patches + positions + self.hidden * self.class_tokens + norms


@dataclass(frozen=True, kw_only=True)
class Projector:
    """What carries visual features to the language model.

    Attributes:
        kind: "mlp" (LLaVA: two layers on every patch, pooling to k×k after it), "merger" (Qwen: merge×merge patches
            side by side, then two layers), "pixel-shuffle" (InternVL: the same after dropping the class token, with
            hidden size D in the middle).
        merge: patches merged along each side; 1 for "mlp".
        pooled: tokens per frame may be pooled to any k×k, after the projector.
        pools_first: the pooling comes before the projector (LLaVA-NeXT-Video).
        class_token: the tower's class tokens go through the projector and to the language model (Video-LLaVA).
        features: layers of the tower whose features are put side by side as the projector's input.
    """

    kind: str
    merge: int = 1
    pooled: bool = False
    pools_first: bool = False
    class_token: bool = False
    features: int = 1

    def __post_init__(self) -> None:
        _positive(self, "merge", "features")
        if self.kind not in ("mlp", "merger", "pixel-shuffle"):
            raise InputError(f"projector kind is {self.kind!r}; allowed are mlp, merger, pixel-shuffle")


@dataclass(frozen=True, kw_only=True)
class VideoVLM:
    """A video VLM: a vision tower, a projector and a language model.

    Attributes:
        name: as published.
        family: whose rules turn a video into frames and tokens: "llava", "qwen2-vl", "qwen2.5-vl", "internvl".
    """

    name: str
    family: str
    tower: VisionTower
    projector: Projector
    lm: LanguageModel

    @property
    def projector_inputs(self) -> float:
        """Size of what the projector's first matrix reads for one token."""
        return self.tower.hidden * self.projector.merge**2 * self.projector.features

    @property
    def projector_params(self) -> float:
        """Parameters of the projector, biases and norm included."""
        inputs, outputs = self.projector_inputs, self.lm.hidden
        if self.projector.kind == "merger":
            return inputs * (inputs + 1) + outputs * (inputs + 1) + self.tower.norm_params
        norm = 2 * inputs if self.projector.kind == "pixel-shuffle" else 0
        return norm + outputs * (inputs + 1) + outputs * (outputs + 1)

    @property
    def params(self) -> float:
        """All parameters: tower, projector, language model."""
        return self.tower.params + self.projector_params + self.lm.params
