"""Plans: which training runs to pay for."""

from vidscale.design.grid import grid_design
from vidscale.design.isoflop import PAPER_BUDGETS, PAPER_ISOFLOP_DATA_SIZE, TOLERANCE, isoflop_design
from vidscale.design.plan import PARTS, RUN_COMMAND, PlanCost, SweepPlan, join_designs, spell_command
from vidscale.design.plan_file import parse_plan, plan_text, read_plan
from vidscale.design.spec import BudgetCount, RunSpec, SweepDesign
from vidscale.design.star import PAPER_CENTRE, PAPER_STAR_DATA_SIZES, star_design

__all__ = [
    "PAPER_BUDGETS",
    "PAPER_CENTRE",
    "PAPER_ISOFLOP_DATA_SIZE",
    "PAPER_STAR_DATA_SIZES",
    "PARTS",
    "RUN_COMMAND",
    "TOLERANCE",
    "BudgetCount",
    "PlanCost",
    "RunSpec",
    "SweepDesign",
    "SweepPlan",
    "grid_design",
    "isoflop_design",
    "join_designs",
    "parse_plan",
    "plan_text",
    "read_plan",
    "spell_command",
    "star_design",
]
