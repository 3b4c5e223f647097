"""What a pass through a model computes, operation by operation.

One description serves every cost: FLOPs add up what the operations multiply, memory traffic what they read, and latency
what each takes on a given GPU. Sizes that vary from one configuration to the next are arrays of shape (rows,), so a
million configurations cost one walk over some dozens of operations.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class MatMul:
    """(rows × inputs) · (inputs × outputs), the weights read once.

    Attributes:
        name: such as "gate", for listings.
        rows: tokens that go through, all sequences of the batch together, shape (rows,).
        inputs, outputs: size of the weight matrix.
        count: how many times it occurs in the pass (layers, or layers × matrices of this size).
    """

    name: str
    rows: Floats
    inputs: float
    outputs: float
    count: float

    @property
    def flops(self) -> Floats:
        """2 per multiply-add, all occurrences together, shape (rows,)."""
        return 2.0 * self.count * self.inputs * self.outputs * self.rows


@dataclass(frozen=True, kw_only=True, eq=False)
class Attention:
    """Scaled dot-product attention: queries · keysᵀ, softmax, · values.

    Attributes:
        name: such as "attention".
        sequences: independent sequences (batch, frames or windows), shape (rows,).
        queries, keys: length of each, shape (rows,).
        heads, kv_heads, head_dim: H, K, h.
        causal: a query sees only the keys before it; FLOPs then count the triangle S(S+1)/2, which flash kernels skip.
        count: how many times it occurs in the pass.
    """

    name: str
    sequences: Floats
    queries: Floats
    keys: Floats
    heads: float
    kv_heads: float
    head_dim: float
    causal: bool
    count: float

    @property
    def pairs(self) -> Floats:
        """Query-key pairs that one head of one sequence needs, shape (rows,)."""
        if self.causal:
            return self.queries * (2 * self.keys - self.queries + 1) / 2
        return self.queries * self.keys

    @property
    def flops(self) -> Floats:
        """2 per multiply-add of both products, all occurrences together, shape (rows,)."""
        return 4.0 * self.count * self.sequences * self.heads * self.head_dim * self.pairs


@dataclass(frozen=True, kw_only=True, eq=False)
class Pointwise:
    """An operation bound by memory traffic: a norm, an activation, a sum. FLOP counts leave it out by convention.

    Attributes:
        kind: "rms_norm", "layer_norm", "rotary", "swiglu", "gelu", "add" or "copy".
        rows, width: numbers in its result are rows × width; rows has shape (rows,).
        count: how many times it occurs in the pass.
    """

    kind: str
    rows: Floats
    width: float
    count: float


Operation = MatMul | Attention | Pointwise


def matmul_flops(operations: Iterable[Operation]) -> Floats:
    """FLOPs of the matrix products together, shape (rows,); products of the same rows cost one pass over the array."""
    weights: dict[int, tuple[Floats, float]] = {}
    for operation in operations:
        if isinstance(operation, MatMul):
            rows, so_far = weights.get(id(operation.rows), (operation.rows, 0.0))
            weights[id(rows)] = rows, so_far + operation.count * operation.inputs * operation.outputs
    return sum((2.0 * weight * rows for rows, weight in weights.values()), start=np.zeros(()))


def attention_flops(operations: Iterable[Operation]) -> Floats:
    """FLOPs of attention together, shape (rows,)."""
    return sum((operation.flops for operation in operations if isinstance(operation, Attention)), start=np.zeros(()))
