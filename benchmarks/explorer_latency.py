"""Part h: from a move of the explorer's slider to the painted answer, in a real browser against a real server."""

import os
from collections.abc import Callable
from typing import Any

import headless
import numpy as np
import serving
from render import table

#: Name of a scene → the address whose budget slider is moved.
SCENES = {
    "FLOPs": "?cost=flops&budget=1.5e13&data_size=1e6",
    "FLOPs, compared with today": "?cost=flops&budget=1.5e13&data_size=1e6"
                                  "&current=lm_params=7.5e9,frames=8,tokens_per_frame=196",
    "FLOPs, weighted tasks": "?cost=flops&budget=1.5e13&data_size=1e6&weight=action=1&weight=counting=2",
    "latency on an H200, 24 GB": "?cost=latency&gpu=H200&budget=0.1&data_size=1e6&output_tokens=8"
                                 "&memory_limit_bytes=24e9",
}
#: One move after another, each when the last one's answer was painted; every budget is new to the server.
MOVES = """async (steps) => {
    const slider = document.getElementById('budget-slider');
    const answer = document.getElementById('answer');
    const painted = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
    const out = [];
    for (const step of steps) {
        const before = answer.dataset.for;
        slider.value = String(step);
        const start = performance.now();
        slider.dispatchEvent(new Event('input', { bubbles: true }));
        await new Promise((done) => {
            const seen = new MutationObserver(() => {
                if (answer.dataset.for !== before) { seen.disconnect(); done(); }
            });
            seen.observe(answer, { attributes: true });
        });
        await painted();
        out.push(performance.now() - start);
        await new Promise((done) => setTimeout(done, 120));
    }
    return out;
}"""

#: How long the requests themselves took.
WAITS = """() => performance.getEntriesByType('resource').filter((one) => one.name.endsWith('/recommend'))
    .map((one) => one.duration)"""


def measure(quick: bool) -> tuple[dict[str, object], str]:
    """p50 and p99 of a move by scene, in milliseconds."""
    if not serving.installed():
        return {}, serving.NEEDS
    with headless.browsers() as launch:
        return ({}, f"not measured: {headless.NEEDS}") if launch is None else _moved(launch, quick)


def _moved(launch: Callable[[], Any], quick: bool) -> tuple[dict[str, object], str]:
    count = 30 if quick else 200
    numbers: dict[str, object] = {"explorer_moves_per_scene": count}
    rows, everything = [], []
    with serving.served() as (port, _):
        browser = launch()
        for scene, query in SCENES.items():
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            page.goto(f"http://127.0.0.1:{port}/{query}")
            page.wait_for_function("() => document.getElementById('plots').dataset.drawn !== undefined")
            # Every step of the slider at most once, near ones after far ones.
            steps = np.random.default_rng(0).permutation(np.arange(20, 221))[:count].tolist()
            moves = np.array(page.evaluate(MOVES, steps))
            everything.append(moves)
            waits = page.evaluate(WAITS)
            rows.append([scene, *(f"{value:.0f} ms" for value in (*np.percentile(moves, [50, 99]), moves.max(),
                                                                 np.percentile(waits, 50)))])
            page.close()
        browser.close()
    p50, p99 = np.percentile(np.concatenate(everything), [50, 99])
    numbers |= {"explorer_move_p50_ms": float(p50), "explorer_move_p99_ms": float(p99),
                "explorer_move_max_ms": float(np.concatenate(everything).max())}
    numbers["explorer_load_average"] = os.getloadavg()[0]
    head = [f"slider move to painted answer, {count} moves each", "p50", "p99", "slowest", "p50 of the request alone"]
    return numbers, "\n".join([*table(head, rows), f"all scenes: p50 {p50:.0f} ms, p99 {p99:.0f} ms; "
                               f"load average {numbers['explorer_load_average']:.1f} on {os.cpu_count()} cores"])
