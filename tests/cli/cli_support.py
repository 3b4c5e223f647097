"""Settings and helpers of the command-line tests."""

import os

#: Small settings: the command line is tested here, not the statistics.
QUICK = ("--forms", "mult,add", "--draws", "8", "--starts", "4", "--folds", "3", "--quiet")
QUICK_FIT = ("--form", "add", "--draws", "8", "--starts", "4", "--quiet")


def everything(folder) -> list[str]:
    """Every file and folder below, hidden ones too."""
    return sorted(os.path.relpath(os.path.join(here, name), folder)
                  for here, folders, files in os.walk(folder) for name in (*folders, *files))
