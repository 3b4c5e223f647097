"""What an inference costs."""

from vidscale.cost.paper import (
    PAPER_ENCODER_PARAMS,
    PAPER_ENCODER_TOKENS,
    CostModel,
    CostTerms,
    LmOnlyCost,
    PaperCost,
)

__all__ = ["PAPER_ENCODER_PARAMS", "PAPER_ENCODER_TOKENS", "CostModel", "CostTerms", "LmOnlyCost", "PaperCost"]
