"""What a measurement was made by: code, machine, libraries."""

import os
import platform
import subprocess
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

#: Says which commit this is where the source was copied without its history.
COMMIT = "VIDSCALE_COMMIT"


@dataclass(frozen=True, kw_only=True)
class Hardware:
    """A machine, as a row of measurements names it; `device` is what computes."""

    device: str
    text: str


def commit() -> str:
    """The commit of this source, with "-dirty" where files differ from it; else the package's version, else "unknown".

    The environment variable VIDSCALE_COMMIT goes before both.
    """
    given = os.environ.get(COMMIT)
    if given:
        return given
    here = Path(__file__).resolve().parent
    found = _git(here, "rev-parse", "HEAD")
    if found and _git(here, "ls-files", "--error-unmatch", Path(__file__).name):
        return found + ("-dirty" if _git(here, "status", "--porcelain", "--untracked-files=no", "--", "..") else "")
    try:
        return f"version {version('vidscale')}"
    except PackageNotFoundError:
        return "unknown"


def _git(folder: Path, *arguments: str) -> str:
    try:
        ran = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return ran.stdout.strip() if ran.returncode == 0 else ""


def hardware(device: Any, count: int = 1) -> Hardware:
    """What computes on this machine, and the libraries it computes with.

    Args:
        device: a torch device.
        count: how many of them work on the run.
    """
    import torch
    import transformers

    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"CPU {platform.machine()}"
    return Hardware(device=name, text=f"{count} x {name}, torch {torch.__version__}, "
                                      f"transformers {transformers.__version__}")
