"""Figures, tables and summaries of a study. The only room that plots."""

from vidscale.report.write import write_study

__all__ = ["write_study"]
