"""Part (i): making the report page, its size, and opening it from disk in a fresh headless Chromium."""

import json
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import headless
from machine import say, timed

#: Bundled tables whose reports are opened; the first has the most targets.
TABLES = ("paper-design", "shapes-h200", "li2024")
#: Runs in the page: milliseconds since the file was asked for.
MARKS = """() => ({load: performance.getEntriesByType('navigation')[0].loadEventEnd,
    view: performance.getEntriesByName('vidscale-view')[0].startTime,
    all: performance.getEntriesByName('vidscale-all')[0].startTime})"""


def measure(quick: bool) -> tuple[dict[str, object], str]:
    """Numbers for latest.json, and the report."""
    from render import seconds, table

    from vidscale.measurements import read_measurements
    from vidscale.report.page import report_page
    from vidscale.study import StudySettings, run_study

    found: dict[str, object] = {}
    rows = []
    for name in TABLES[-1:] if quick else TABLES:
        say(f"report: the study of {name}")
        study = run_study(read_measurements(name), StudySettings(draws=10 if quick else 100))
        made, page = timed(lambda study=study: report_page(study), 1 if quick else 3)
        say(f"report: opening {name}")
        opened = opening(page, 2 if quick else 9)
        key = name.replace("-", "_")
        found |= {f"report_{key}_make_seconds": made, f"report_{key}_bytes": len(page.encode())}
        cells = [name, seconds(made), f"{len(page.encode()) / 1e6:.2f} MB"]
        if opened:
            middle = {mark: statistics.median(each[mark] for each in opened) / 1000 for mark in ("view", "load", "all")}
            worst = max(each["view"] for each in opened) / 1000
            found |= {f"report_{key}_open_seconds": middle["view"], f"report_{key}_open_worst_seconds": worst,
                      f"report_{key}_load_seconds": middle["load"], f"report_{key}_drawn_seconds": middle["all"],
                      f"report_{key}_openings": len(opened)}
            cells += [seconds(middle["view"]), seconds(worst), seconds(middle["load"]), seconds(middle["all"])]
        rows.append(cells + [""] * (7 - len(cells)))
    lines = table(["report", "made in", "size", "first plots", "worst", "load event", "all plots"], rows)
    return found, "\n".join([*lines, "", "seconds since the file was asked for, median and worst of fresh browsers"])


def opening(page: str, times: int) -> list[dict[str, float]]:
    """The page's own marks from `times` fresh browsers; empty where there is no browser."""
    with headless.browsers() as launch, tempfile.TemporaryDirectory() as folder:
        if launch is None:
            say(f"report: not opened, {headless.NEEDS}")
            return []
        file = Path(folder) / "report.html"
        file.write_text(page, encoding="utf-8")
        return [_once(launch(), file.as_uri()) for _ in range(times)]


def _once(browser: Any, url: str) -> dict[str, float]:
    try:
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(url)
        page.wait_for_selector("html[data-ready=all]", timeout=120_000)
        return page.evaluate(MARKS)
    finally:
        browser.close()


if __name__ == "__main__":
    numbers, text = measure("--quick" in sys.argv)
    print(text)
    print(json.dumps(numbers, indent=2))
