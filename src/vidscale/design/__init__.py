"""Plans: which training runs to pay for."""

from vidscale.design.isoflop import PAPER_BUDGETS, PAPER_ISOFLOP_DATA_SIZE, TOLERANCE, isoflop_design
from vidscale.design.spec import BudgetCount, RunSpec, SweepDesign
from vidscale.design.star import PAPER_CENTRE, PAPER_STAR_DATA_SIZES, star_design

__all__ = [
    "PAPER_BUDGETS",
    "PAPER_CENTRE",
    "PAPER_ISOFLOP_DATA_SIZE",
    "PAPER_STAR_DATA_SIZES",
    "TOLERANCE",
    "BudgetCount",
    "RunSpec",
    "SweepDesign",
    "isoflop_design",
    "star_design",
]
