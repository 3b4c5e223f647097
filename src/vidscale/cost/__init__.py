"""What an inference costs."""

from vidscale.cost.constraints import Limit
from vidscale.cost.deployment import CostSettings, cost_of
from vidscale.cost.exact import ExactCost
from vidscale.cost.flops import Flops, exact_flops
from vidscale.cost.hardware import Gpu, gpu
from vidscale.cost.latency import RequestTime, request_time
from vidscale.cost.memory import Memory, memory
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
from vidscale.cost.profile import Profile, load_profile

__all__ = [
    "PAPER_ENCODER_PARAMS",
    "PAPER_ENCODER_TOKENS",
    "Attention",
    "CostModel",
    "CostSettings",
    "CostTerms",
    "ExactCost",
    "Flops",
    "Gpu",
    "Limit",
    "LmOnlyCost",
    "MatMul",
    "Memory",
    "Operation",
    "PaperCost",
    "Pointwise",
    "Profile",
    "RequestTime",
    "cost_of",
    "decode_operations",
    "encoder_operations",
    "exact_flops",
    "gpu",
    "head_operations",
    "load_profile",
    "memory",
    "prefill_operations",
    "projector_operations",
    "request_time",
    "visual_tokens",
]
