"""What people get to see: tables, figures, the summary, and the folder they go into.

The writer is loaded when first used: tables alone need no plotting.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vidscale.report.write import write_study

__all__ = ["write_study"]


def __getattr__(name: str) -> Any:
    if name == "write_study":
        from vidscale.report.write import write_study

        return write_study
    raise AttributeError(f"module 'vidscale.report' has no attribute {name!r}")
