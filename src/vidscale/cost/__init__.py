"""What an inference costs."""

from vidscale.cost.exact import ExactCost
from vidscale.cost.flops import Flops, exact_flops
from vidscale.cost.operations import Attention, MatMul, Operation, Pointwise
from vidscale.cost.paper import (
    PAPER_ENCODER_PARAMS,
    PAPER_ENCODER_TOKENS,
    CostModel,
    CostTerms,
    LmOnlyCost,
    PaperCost,
)
from vidscale.cost.passes import (
    decode_operations,
    encoder_operations,
    head_operations,
    prefill_operations,
    projector_operations,
    visual_tokens,
)

__all__ = [
    "PAPER_ENCODER_PARAMS",
    "PAPER_ENCODER_TOKENS",
    "Attention",
    "CostModel",
    "CostTerms",
    "ExactCost",
    "Flops",
    "LmOnlyCost",
    "MatMul",
    "Operation",
    "PaperCost",
    "Pointwise",
    "decode_operations",
    "encoder_operations",
    "exact_flops",
    "head_operations",
    "prefill_operations",
    "projector_operations",
    "visual_tokens",
]
