"""What a table says of the statements that the paper makes, by stated rules."""

from vidscale.findings import published
from vidscale.findings.cells import Cells, SeedNoise, TaskState, cells_of, task_state
from vidscale.findings.gather import PUBLISHED_FORM, Evidence, FindingSettings, gather
from vidscale.findings.movement import Move, moves
from vidscale.findings.statements import Finding, Part, findings, wants
from vidscale.findings.verdict import LEVEL, Estimate, Verdict, agreed, differ, judge

__all__ = ["LEVEL", "PUBLISHED_FORM", "Cells", "Estimate", "Evidence", "Finding", "FindingSettings", "Move", "Part",
           "SeedNoise", "TaskState", "Verdict", "agreed", "cells_of", "differ", "findings", "gather", "judge", "moves",
           "published", "task_state", "wants"]
