"""The page that puts a table's numbers beside the paper's: statements, provenance, forms, what stays open.

No number and no verdict is written by hand; the rules live in `vidscale.findings`, the sections on single statements in
`vidscale.report.results_sections`.
"""

import numpy as np

import vidscale
from vidscale.findings import PUBLISHED_FORM, Evidence, Finding, SeedNoise, Verdict, findings, published
from vidscale.forms import PAPER_FORMS, text
from vidscale.measurements import dataset_info
from vidscale.measurements.datasets import is_dataset
from vidscale.measurements.schema import RUN_KEY
from vidscale.report.numbers import NONE, params, percent, plain
from vidscale.report.results_sections import (
    by_key,
    column_numbers,
    data,
    diminishing,
    frames_tokens,
    joint,
    level_of,
    life,
    naive,
    part_scale,
    shown,
    table,
    verdict_line,
)
from vidscale.space import DATA_SIZE, FACTORS


def head(e: Evidence) -> str:
    """What the page is, and every statement with its verdict."""
    rows = [(each.statement, each.published, _here(each), f"**{each.verdict}**") for each in findings(e)]
    used = dict.fromkeys(each.verdict for each in findings(e))
    parts = [
        f"# What `{e.table.name}` says of the paper's findings\n",
        "Written by `make results`; no number or verdict on this page is typed by hand. The paper is Wang et al., "
        "*Inference Compute-Optimal Video Vision Language Models*, ACL 2025, arXiv 2505.18855.\n"]
    if e.table.synthetic:
        parts.append("**The table is synthetic: its numbers were drawn from a declared law. The page shows the method "
                     "and says nothing about video models.**\n")
    parts += [table(("statement", "published", "here", "verdict"), rows, (0, 1, 2, 3)),
              f"Intervals are {percent(e.settings.level)} %. A verdict follows from an interval by one rule: "
              + "; ".join(f"*{each}*, {each.sentence}" for each in used) + ".\n"]
    return "\n".join(parts)


def _here(finding: Finding) -> str:
    parts = [part for part in finding.parts if part.estimate is not None]
    if not parts:
        return "see below" if finding.verdict is Verdict.ARITHMETIC else "no runs that would say"
    if finding.key == "tasks":
        lists = {"frames": Verdict.SHOWN, "tokens per frame": Verdict.REFUTED, "not to be told": Verdict.CANNOT_TELL}
        named = {what: ", ".join(p.short for p in parts if p.verdict is verdict) for what, verdict in lists.items()}
        return "; ".join(f"{what}: {names}" for what, names in named.items() if names)
    listed = "; ".join(f"{p.short} {shown(p.estimate, part_scale(p))}" for p in parts if p.short)
    return f"{listed} {parts[0].unit}".strip()


def provenance(e: Evidence) -> str:
    """Where the numbers come from, what they took, and how noisy they are."""
    rows = e.table.rows
    keys = [k for k in RUN_KEY if k in rows.columns]
    runs = rows.drop_duplicates(keys)
    said = [f"- {len(e.obs)} runs, {len(rows)} measurements, {len(e.table.tasks)} tasks; data hash "
            f"`{e.table.data_hash[:16]}`"]
    if is_dataset(e.table.name):
        info = dataset_info(e.table.name)
        said.append(f"- {info.title}. Source: {info.source}. Licence: {info.licence}")
    sweeps = [f"{name}: {count}" for name, count in runs["sweep"].value_counts(sort=False).items()] \
        if "sweep" in runs else []
    said += [f"- runs by sweep: {', '.join(sweeps)}"] if sweeps else []
    said += [f"- {factor}: {', '.join(level_of(factor, v) for v in np.unique(rows[factor]))}"
             for factor in (*FACTORS, DATA_SIZE)]
    encoder, tokens = e.cost.encoder_params, e.cost.encoder_tokens
    said.append(f"- cost: 2 · frames · (x_M · x_W + lm_params · tokens_per_frame) FLOPs, encoder x_M {params(encoder)} "
                f"parameters, x_W {plain(tokens, 4)} tokens a frame")
    for name, label in (("hardware", "hardware"), ("precision", "precision"), ("recipe", "recipe"),
                        ("commit", "commit"), ("source_sha256", "source")):
        if name in runs:
            values = sorted({str(v) for v in runs[name].dropna()})
            said.append(f"- {label}: {', '.join(f'`{v}`' for v in values[:4])}"
                        + (f" and {len(values) - 4} more" if len(values) > 4 else ""))
    seconds = column_numbers(runs, "wall_time_s")
    if seconds.size:
        said.append(f"- time: the runs' own wall times add up to {plain(seconds.sum() / 3600)} hours "
                    f"({plain(seconds.sum() / len(seconds))} s a run, longest {plain(seconds.max())} s); where several "
                    "share a GPU, that GPU's time is less. The paper's sweep took about "
                    f"{published.GPU_HOURS:,.0f} A100-hours")
    spent = column_numbers(runs, "trained_flops")
    said += [f"- training: {spent.sum():.3g} FLOPs"] if spent.size else []
    lead = e.obs.error[:, 0]
    noise = [(e.lead, _chance(e.obs.chance.get(e.lead)), percent(float(np.nanmax(lead))),
              percent(float(np.nanmin(lead))), *_spread(e.noise), "")] if e.lead not in e.table.tasks else []
    noise += [(s.task, _chance(s.chance), percent(s.worst), percent(s.best), *_spread(s.noise), s.remark)
              for s in e.states]
    source = e.states[0].noise
    freedom = f", {source.freedom} degrees of freedom" if source.freedom else ""
    return "\n".join(["## Provenance and noise\n", *said, "", "Noise of one run's error, from "
                      f"{source.source}{freedom}: its standard deviation with question sampling, what is left without "
                      "it, and the largest within one configuration; where that is far above the first, the task "
                      "switches on in steps, and intervals of raw rows near a step are too narrow. Runs evaluated on "
                      "the same questions differ by less than sampling says.\n",
                      table(("task", "chance (%)", "largest error (%)", "least error (%)", "noise (points)",
                             "without sampling", "largest", "remark"), noise, (0, 7)),
                      "What moves the mean error over the measured ranges, raw rows:\n",
                      table(("from", "to", "what", "fall of the mean error (points)"),
                            [(level_of(m.what, m.low), level_of(m.what, m.high), m.what, shown(m.fall))
                             for m in e.moves], (2,))])


def _spread(noise: SeedNoise) -> tuple[str, str, str]:
    """Noise as three cells, in points."""
    return plain(100 * noise.total, 2), plain(100 * noise.extra, 2), plain(100 * noise.worst, 2)


def _chance(value: float | None) -> str:
    return percent(value) if value is not None else NONE


def forms(e: Evidence) -> str:
    """The comparison of forms beside the published one, and by task."""
    kinds = ("cross-validation", "extrapolation")
    rows = []
    for form in PAPER_FORMS:
        cells = [form]
        for kind in kinds:
            score = e.comparison.score(form, e.lead, kind)
            theirs = published.COMPARISON[kind][form]
            ours = (score.mse, score.e_percent, score.r2) if score else (None, None, None)
            cells += [f"{plain(own)} ({their:g})" for own, their in zip(ours, theirs)]
        rows.append(cells)
    header = ("form", "CV MSE", "CV E%", "CV R²", "extrapolation MSE", "E%", "R²")
    plan = e.comparison.plan
    said = ["## Which form predicts unseen runs\n",
            "Average error; ours, the published value in brackets. MSE in percentage points², E% the mean of "
            "|predicted − measured| / measured. The paper's tasks, models and error range are others, so that values "
            "compare by their order only; E% explodes where a task is all but solved.\n", table(header, rows),
            f"- cross-validation: {plan.cv_sentence}"]
    said += [f"- extrapolation: {plan.split_sentence}"] if plan.split_sentence else []
    said += ["", verdict_line(by_key(e)["forms"])]
    fit = (e.comparison.fits[e.form]).fit(e.lead)
    said.append(f"Used below: **{e.form}**, the best of them here: f = {text(fit.form, fit.parameters)}\n")
    said.append("\n".join([*_joint(e), "By task, the form used below:\n",
                           table(("task", *header[1:], "best form", "remark"), _form_rows(e), (0, 7, 8))]))
    return "\n".join(said)


def _form_rows(e: Evidence) -> list[list[str]]:
    rows = []
    for task in e.table.tasks:
        cells, winner = [task], NONE
        for kind in ("cross-validation", "extrapolation"):
            score = e.comparison.score(e.form, task, kind)
            values = (score.mse, score.e_percent, score.r2) if score else (None, None, None)
            cells += [plain(v) for v in values]
            of = [s for s in e.comparison.scores if (s.target, s.kind) == (task, kind)]
            winner = min(of, key=lambda s: s.mse).form if of else winner
        state = e.state(task)
        remarks = [state.remark, "" if _foreseen(e, task) else "predicted worse than by its mean"]
        rows.append([*cells, winner if state.informative else NONE, "; ".join(r for r in remarks if r)])
    return rows


def _foreseen(e: Evidence, task: str) -> bool:
    """Whether the form predicts held-out runs of a task better than their mean would, by every kind of holding out."""
    found = [s.r2 for s in e.comparison.scores if (s.form, s.target) == (e.form, task)]
    return all(r2 > 0 for r2 in found)


def _joint(e: Evidence) -> list[str]:
    """The declared form with a term in two factors against the published form."""
    if e.beside is None or e.joint_form is None:
        return []
    fit, known = e.beside.fits[e.joint_form].fit(e.lead), e.beside.fits[PUBLISHED_FORM].fit(e.lead).form
    said, gone = [], fit.certificate.gone
    added = [name for name in fit.form.coefficients if name not in known.coefficients]
    for kind in ("cross-validation", "extrapolation"):
        own, other = (e.beside.score(name, e.lead, kind) for name in (e.joint_form, PUBLISHED_FORM))
        if own and other:
            se = own.excess_se if own.excess_se is not None else other.excess_se
            said.append(f"{kind} MSE {plain(own.mse)} against {plain(other.mse)} (difference "
                        f"{plain(own.mse - other.mse)} ± {plain(se, 2)} s.e.)")
    if all(name in gone for name in added):
        term = f"; fitted to all runs the data give the added term no weight ({', '.join(added)} gone)"
    else:
        own = [name for name in fit.parameters if name not in known.parameters]
        term = "; fitted to all runs: " + ", ".join(f"{name} {plain(fit.parameters[name])}" for name in own)
    return [f"The declared cross-term form `{e.joint_form}` (examples/joint.toml: frames and tokens per frame in one "
            f"term) against {PUBLISHED_FORM}: {'; '.join(said)}{term}. What is fitted to a star "
            "alone leaves that term open, so that its extrapolation means little.\n"]


def cannot_tell(e: Evidence) -> str:
    """What the table leaves open, from the verdicts."""
    said = []
    for each in findings(e):
        if each.verdict in (Verdict.CANNOT_TELL, Verdict.MIXED):
            open_ones = [p for p in each.parts if p.verdict is not Verdict.SHOWN]
            why = "; ".join(f"{p.name}: {shown(p.estimate, part_scale(p))} {p.unit}".rstrip() + f" ({p.verdict})"
                            for p in open_ones)
            said.append(f"- Whether {each.statement}: {each.verdict}. "
                        f"{why or 'The table lacks the runs that would say'}.")
    for state in (each for each in e.states if not each.informative):
        why = "never leaves chance" if state.at_chance else \
            f"is solved by {percent(state.solved, 2)} % of configurations"
        said.append(f"- What task {state.task} wants where it is used: it {why} (error {percent(state.best)} to "
                    f"{percent(state.worst)} %), so that it is left out of the verdict on tasks.")
    lost = [task for task in e.table.tasks if not _foreseen(e, task)]
    if lost:
        said.append(f"- How {', '.join(lost)} go on: the form used here predicts held-out runs of "
                    f"{'it' if len(lost) == 1 else 'each'} worse than their "
                    "mean would. Laws on this page are of the average.")
    said += [
        "- Whether the law is true: its form was chosen among four by how it predicts, and intervals from laws hold "
        "under that form. Raw rows stand beside them for this reason.",
        "- How sure differences between runs are beyond what is said: runs that share their evaluation questions "
        "differ by less than raw intervals allow for.",
        f"- Anything beyond the measured ranges, or about models of another kind than those of `{e.table.name}`.",
    ]
    if e.states[0].noise.source != "repeated seeds":
        said.append("- How much trainings differ from each other: no run is repeated, so that the intervals rest on "
                    f"{e.states[0].noise.source}.")
    return "\n".join(["## What this table cannot tell\n", *said, ""])


def page(e: Evidence) -> str:
    """The whole page."""
    made = (f"vidscale {vidscale.__version__}; {e.settings.draws} noise draws, {e.settings.folds} folds, "
            f"{e.settings.starts} starts a fit, seed {e.settings.seed}; the same table and version give the same "
            "page.\n")
    sections = (head, provenance, forms, diminishing, joint, frames_tokens, data, naive, life, cannot_tell)
    return "\n".join([*(section(e).rstrip() + "\n" for section in sections), made])
