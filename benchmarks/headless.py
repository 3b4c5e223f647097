"""Headless Chromium for the parts that open pages, found and told what the tests tell it (tests/browser.py)."""

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

#: What a part says where there is no browser.
NEEDS = "needs vidscale[test] and Chromium"


@contextlib.contextmanager
def browsers() -> Iterator[Callable[[], Any] | None]:
    """A function that starts a fresh browser (Playwright's Browser); None where there is none to start."""
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
    try:
        from playwright.sync_api import sync_playwright

        from browser import FLAGS, chromium_path
    except ImportError:
        path = None
    else:
        path = chromium_path()
    if path is None:
        yield None
        return
    with sync_playwright() as running:
        yield lambda: running.chromium.launch(executable_path=path, args=list(FLAGS))
