"""Writes docs/RESULTS.md: what a table of measurements says beside what the paper reports.

    python docs/make_results.py                       from shapes-h200
    python docs/make_results.py TABLE --out PAGE      from another bundled table or a file
    python docs/make_results.py --check               exit 1 if the page says something else
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from vidscale.errors import InputError
from vidscale.findings import FindingSettings, gather
from vidscale.measurements import read_measurements
from vidscale.report.results_page import page

HERE = Path(__file__).parent
PAGE = HERE / "RESULTS.md"
#: The bundled table that the page is about.
TABLE = "shapes-h200"
JOINT = HERE.parent / "examples" / "joint.toml"


def results(source: str, *, encoder: tuple[float, float] | None = None,
            tick: Callable[[str], None] = lambda text: None) -> str:
    """The page for a bundled table or a file."""
    return page(gather(read_measurements(source), FindingSettings(joint=JOINT, encoder=encoder), tick=tick))


def main() -> int:
    parser = argparse.ArgumentParser(description="What a table says beside what the paper reports.")
    parser.add_argument("table", nargs="?", default=TABLE, help="a bundled table's name or a file")
    parser.add_argument("--out", type=Path, default=PAGE)
    parser.add_argument("--encoder", nargs=2, type=float, metavar=("PARAMS", "TOKENS"),
                        help="of the vision encoder, where the table does not say")
    parser.add_argument("--check", action="store_true", help="compare with --out and write nothing")
    asked = parser.parse_args()
    try:
        new = results(asked.table, encoder=tuple(asked.encoder) if asked.encoder else None,
                      tick=lambda line: print(line, file=sys.stderr))
    except InputError as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 2
    if asked.check:
        return int(not asked.out.exists() or asked.out.read_text("utf-8") != new)
    asked.out.write_text(new, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
