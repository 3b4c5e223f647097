"""Writes the tables of docs/cost.md from the package and the recorded measurements.

    python docs/make_cost_tables.py          rewrite the tables
    python docs/make_cost_tables.py --check  exit 1 if the page says something else (all but those that fit)

Each table stands between <!-- table: NAME --> and <!-- end -->.
"""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

from vidscale.cost import PaperCost, exact_flops
from vidscale.cost.calibration.accuracy import accuracy, predicted_seconds
from vidscale.cost.latency import request_time
from vidscale.cost.profile import load_profile, prior_profile
from vidscale.space import video_vlm

HERE = Path(__file__).parent
PAGE = HERE / "cost.md"
RECORDED = HERE.parent / "tests" / "recorded"
HELD_OUT = json.loads((RECORDED / "h200_held_out.json").read_text())
LAYOUTS = json.loads((RECORDED / "h200_layouts.json").read_text())
H200 = load_profile("h200")
SIZES = {"1B": "llava-llama-3.2-1b", "3B": "llava-llama-3.2-3b", "8B": "llava-llama-3.1-8b"}


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(header) + " |", "|" + " --- |" * len(header)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def tera(flops: float) -> str:
    value = flops / 1e12
    return f"{value:.1f}" if value < 1000 else f"{value:,.0f}"


def paper(size: str, frames: float, tokens: float) -> float:
    x_n = video_vlm(SIZES[size]).lm.scaling_params
    return float(PaperCost().cost(np.array([[x_n, frames, tokens]]))[0])


def split() -> str:
    """The parts of the exact count beside the formula."""
    rows = []
    for size, frames, tokens in (("1B", 8, 49), ("1B", 32, 144), ("1B", 32, 196), ("3B", 16, 100), ("3B", 32, 196),
                                 ("8B", 8, 196), ("8B", 32, 16), ("8B", 32, 196)):
        f = exact_flops(video_vlm(SIZES[size]), frames, tokens)
        total, formula = float(f.total), paper(size, frames, tokens)
        rows.append((size, str(frames), str(tokens), tera(float(f.encoder)), tera(float(f.projector)),
                     tera(float(f.prefill_linear)), tera(float(f.prefill_attention)), tera(total), tera(formula),
                     f"{formula / total - 1:+.1%}"))
    return markdown(("LM", "frames", "tokens per frame", "encoder", "projector", "LM linear", "LM attention",
                     "exact, TFLOPs", "formula", "formula is off by"), rows)


def breaks() -> str:
    """The formula's error as videos grow."""
    frames = (8, 32, 64, 128, 256, 512)
    rows = []
    for size in SIZES:
        errors = [paper(size, t, 196) / float(exact_flops(video_vlm(SIZES[size]), t, 196).total) - 1 for t in frames]
        rows.append((size, *(f"{e:+.0%}" for e in errors)))
    return markdown(("LM, 196 tokens per frame", *(f"{t} frames" for t in frames)), rows)


def shares() -> str:
    """What the vision encoder takes, by FLOPs and by time."""
    grid = (4, 16, 36, 64, 100, 144, 196)
    rows = []
    for size in SIZES:
        vlm = video_vlm(SIZES[size])
        f = exact_flops(vlm, np.full(7, 32.0), np.array(grid, dtype=float))
        t = request_time(vlm, np.full(7, 32.0), np.array(grid, dtype=float), profile=H200)
        rows.append((f"{size}, share of FLOPs", *(f"{s:.0%}" for s in f.encoder / f.total)))
        rows.append((f"{size}, share of time", *(f"{s:.0%}" for s in t.encoder / t.total)))
    return markdown(("at 32 frames", *(f"x_V = {v}" for v in grid)), rows)


def equal() -> str:
    """Configurations of almost equal FLOPs, as measured."""
    rows = []
    for size, frames, tokens in (("1B", 32, 144), ("3B", 16, 196), ("8B", 8, 196)):
        vlm = video_vlm(SIZES[size])
        flops = float(exact_flops(vlm, frames, tokens, text_tokens=32).total)
        times = []
        for output in (1, 8, 64):
            wanted = {"what": "request", "model": vlm.lm.name, "frames": frames, "tokens_per_frame": tokens,
                      "text_tokens": 32, "output_tokens": output, "batch": 1}
            point = next(p for p in HELD_OUT if wanted.items() <= p.items())
            times.append(f"{1e3 * point['seconds']:.0f} ({1e3 * predicted_seconds(point, H200):.0f})")
        rows.append((size, str(frames), str(tokens), tera(paper(size, frames, tokens)), tera(flops), *times))
    return markdown(("LM", "frames", "tokens per frame", "formula, TFLOPs", "exact", "1 output token, ms", "8", "64"),
                    rows)


def errors() -> str:
    """Errors on shapes that calibration did not see."""
    rows = []
    for own, sheet in zip(accuracy(HELD_OUT, H200), accuracy(HELD_OUT, prior_profile("h200"))):
        a, b = own.as_dict(), sheet.as_dict()
        figures = (f"{d[k]:.1%}" for d in (a, b) for k in ("median", "mean", "worst"))
        rows.append((a["what"], str(a["points"]), *figures))
    return markdown(("pass", "shapes", "median", "mean", "worst", "data sheet alone: median", "mean", "worst"), rows)


def layouts() -> str:
    """The vision tower with its residual stream as the patch embedding leaves it, and laid out afresh."""
    before, after = LAYOUTS["reference_transposed"], LAYOUTS["reference_contiguous"]
    rows = [(f"reference, frames: {n}", f"{1e3 * a:.1f}", f"{1e3 * after[n]:.1f}", f"{after[n] / a - 1:+.0%}")
            for n, a in before.items()]
    a, b = LAYOUTS["transformers_siglip"]["32"], LAYOUTS["transformers_siglip_contiguous"]["32"]
    name = "transformers' SiglipVisionModel, frames: 32"
    rows.append((name, f"{1e3 * a:.1f}", f"{1e3 * b:.1f}", f"{b / a - 1:+.0%}"))
    return markdown(("SigLIP-so400m, 26 layers", "as it is, ms", "with .contiguous(), ms", "change"), rows)


def alignment() -> str:
    """Matrix products whose sides are multiples of 8, and one pair that is not."""
    rows = []
    for inputs, outputs in ((1280, 1280), (1280, 3420), (3420, 1280), (1152, 4304), (1024, 4096)):
        times = {p["rows"]: p["seconds"] for p in H200.points
                 if p["what"] == "matmul" and (p["inputs"], p["outputs"]) == (inputs, outputs)}
        rows.append((f"{inputs} × {outputs}", *(f"{2 * m * inputs * outputs / times[m] / 1e12:.0f}"
                                                for m in (256, 2048, 16384))))
    return markdown(("matrix", "256 rows, TFLOP/s", "2,048 rows", "16,384 rows"), rows)


def implementations() -> str:
    """The reference beside transformers' own Llama."""
    rows = []
    for name, times in LAYOUTS["transformers_llama_prefill_batch_1"].items():
        cells = []
        for tokens in ("16", "48", "512", "1568", "6272"):
            point = {"what": "prefill", "model": name, "batch": 1, "tokens": int(tokens)}
            cells.append(f"{1e3 * times[tokens]:.1f} ({1e3 * predicted_seconds(point, H200):.1f})")
        rows.append((name, *cells))
    return markdown(("prefill, ms", "16 tokens", "48", "512", "1,568", "6,272"), rows)


def plans(*options: str, shown: Callable[[float], str], unit: str) -> str:
    """Choices by a cost and by FLOPs, as the command on the page finds them. Fits forms: some seconds."""
    command = [sys.executable, "-m", "vidscale", "frontier", *options, "--gpu", "h200", "--output-tokens", "8",
               "--json", "--quiet"]
    found = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
    regret = found["frontier"]["flops_regret"][0]
    rows = []
    for i, budget in enumerate(regret["budgets"]):
        planned = regret["planned_cost"][i]
        rows.append((shown(budget), choice(regret["best"][i]), f"{regret['best_error'][i]:.1%}",
                     choice(regret["planned"][i]), shown(planned), f"{regret['planned_error'][i]:.1%}",
                     "yes" if planned <= budget else f"no, {planned / budget - 1:+.0%}"))
    header = (f"budget, {unit}", "best", "error", "planned by FLOPs", f"its cost, {unit}", "its error", "allowed")
    return markdown(header, rows)


def milliseconds(seconds: float) -> str:
    return f"{1e3 * seconds:.0f}"


def plans_real() -> str:
    """Li et al.'s measured table by latency."""
    return plans("li2024", "--cost", "latency", shown=milliseconds, unit="ms")


def plans_batch() -> str:
    """The same by dollars where 64 requests share the GPU."""
    return plans("li2024", "--cost", "dollars", "--batch", "64", shown=lambda x: f"{x:.1f}", unit="$ per million")


def plans_synthetic() -> str:
    """A table with frames, drawn from a declared law."""
    return plans("paper-design", "--form", "add-interact", "--cost", "latency", "--data-size", "1e6",
                 shown=milliseconds, unit="ms")


def choice(x: dict[str, float]) -> str:
    return f"{x['lm_params'] / 1e9:g}B × {x['frames']} × {x['tokens_per_frame']}"


TABLES: dict[str, Callable[[], str]] = {each.__name__: each for each in (
    split, breaks, shares, equal, errors, layouts, alignment, implementations, plans_real,
    plans_batch, plans_synthetic)}
#: Those that fit forms.
FITTED = ("plans_real", "plans_batch", "plans_synthetic")


def filled(page: str, without: Sequence[str] = ()) -> str:
    """The page with its tables as they come out now, but for those named."""
    def table(found: re.Match[str]) -> str:
        if found[1] in without:
            return found[0]
        return f"<!-- table: {found[1]} -->\n{TABLES[found[1]]()}\n<!-- end -->"

    return re.sub(r"<!-- table: ([\w-]+) -->\n.*?<!-- end -->", table, page, flags=re.DOTALL)


def main() -> int:
    page = PAGE.read_text("utf-8")
    new = filled(page, FITTED if "--check" in sys.argv else ())
    if "--check" in sys.argv:
        return int(new != page)
    PAGE.write_text(new, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
