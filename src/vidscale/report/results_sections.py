"""One section for each of the paper's statements: what the raw rows say, what the law says, and the verdict."""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vidscale.cost.lifetime import lifetime, paper_ratio
from vidscale.cost.units import FLOPS, unit
from vidscale.findings import Estimate, Evidence, Finding, Part, Verdict, findings, judge, published, wants
from vidscale.findings.choices import IGNORES_ENCODER
from vidscale.findings.joint import BestAtData
from vidscale.findings.movement import CONFIGURATION
from vidscale.measurements.schema import RUN_KEY
from vidscale.report.numbers import NONE, amount, examples, interval, params, percent, plain, still, with_unit
from vidscale.report.tables import Column, Table, to_markdown
from vidscale.space import DATA_SIZE, FACTORS, LM_PARAMS

#: Volume of the lifetime table: what gives the published ratio for a million examples.
VIDEOS_PER_DAY = 34e6


def table(header: Sequence[str], rows: Iterable[Sequence[str]], words: Sequence[int] = (0,)) -> str:
    """A Markdown table; `words` are the columns that hold words."""
    columns = tuple(Column(name=name, words=k in words) for k, name in enumerate(header))
    return to_markdown(Table(title="", columns=columns, rows=tuple(map(tuple, rows))), title=False)


def shown(estimate: Estimate | None, scale: float = 100.0) -> str:
    """An estimate with its interval: "1.88 [0.93, 2.83]"."""
    if estimate is None or not estimate.known:
        return NONE
    low, high = (0.0 if abs(end) < 1e-12 else end for end in (estimate.low, estimate.high))
    if low == high:
        return plain(scale * low)
    return " ".join(interval(0.0 if abs(estimate.value) < 1e-12 else estimate.value, low, high, scale))


def part_scale(part: Part) -> float:
    """What a part's estimate is multiplied by to be shown in its unit."""
    return 100.0 if part.unit in ("points", "%") else 1.0


def level_of(factor: str, value: float) -> str:
    """A level as tables show it."""
    if factor == CONFIGURATION:
        return with_unit(value)
    if factor == LM_PARAMS:
        return params(value)
    return examples(value) if factor == DATA_SIZE else plain(value, 4)


def by_key(e: Evidence) -> dict[str, Finding]:
    return {each.key: each for each in findings(e)}


def verdict_line(finding: Finding) -> str:
    return f"**{finding.statement[0].upper()}{finding.statement[1:]}: {finding.verdict}.** Rule: {finding.rule}.\n"


def column_numbers(runs: pd.DataFrame, name: str) -> NDArray[np.float64]:
    """A provenance column as numbers; empty where there is none."""
    if name not in runs:
        return np.empty(0)
    values = np.array([float(cell) if cell == cell and cell else np.nan for cell in runs[name].tolist()])
    return values[np.isfinite(values)]


def diminishing(e: Evidence) -> str:
    """Gain per doubling along each factor."""
    rows = [(f, f"{level_of(f, r.levels[0])} – {level_of(f, r.levels[1])}", shown(r.first), shown(r.last),
             shown(r.fall), shown(r.halves), r.verdict) for f in FACTORS if (r := e.returns.get((e.lead, f)))]
    tasks = []
    for task in e.table.tasks:
        found = [e.returns.get((task, f)) for f in FACTORS]
        tasks.append((task, *(f"{shown(r.fall)}: {r.verdict}" if r else NONE for r in found), e.state(task).remark))
    return "\n".join(["## Diminishing returns\n", verdict_line(by_key(e)["diminishing"]),
                      "Fall of the average error per doubling (points), raw rows of the star; the others at its "
                      "centre, averaged over its data sizes. A task that starts at chance gains nothing at first: its "
                      "returns grow before they fall.\n",
                      table(("factor", "range", "first step", "last step", "first − last", "lower − upper half",
                             "verdict"), rows, (0, 1, 6)),
                      "First − last step by task (points):\n",
                      table(("task", *FACTORS, "remark"), tasks, (0, 1, 2, 3, 4))])


def joint(e: Evidence) -> str:
    """What a larger budget brings small and large models."""
    steps = e.steps[e.lead]
    rows = [(_span(s.budgets), params(s.lm_params[0]), params(s.lm_params[1]),
             "0, spends all it can" if s.exhausted else shown(s.small), shown(s.large), shown(s.difference), s.verdict)
            for s in steps]
    law = [(_span(s.budgets), shown(s.small), shown(s.large), shown(s.difference)) for s in e.law_steps]
    ends = e.obs.columns[LM_PARAMS].to_numpy(dtype=np.float64)
    tasks = [(task, shown(e.steps[task][-1].difference) if e.steps[task] else NONE,
              e.steps[task][-1].verdict if e.steps[task] else Verdict.CANNOT_TELL,
              shown(e.interaction[task].gain) if task in e.interaction else NONE,
              e.interaction[task].verdict if task in e.interaction else Verdict.CANNOT_TELL,
              e.state(task).remark if task in e.table.tasks else "")
             for task in dict.fromkeys((e.lead, *e.table.tasks))]
    found, keyed = e.interaction.get(e.lead), by_key(e)
    rests = (f"It rests on {found.cells} configurations with {found.freedom} degrees of freedom left "
             f"(χ² per degree {plain(found.scale, 2)}).\n") if found else ""
    return "\n".join([
        "## Joint scaling\n", verdict_line(keyed["joint"]), verdict_line(keyed["interaction"]), rests,
        "Fall of the least measured average error from one budget to the next (points), raw isoFLOP rows, for the "
        "smallest and the largest model with runs at both. A model whose dearest configuration was run at the lower "
        "budget and lies below the higher gains nothing:\n",
        table(("budgets", "small", "large", "small gains", "large gains", "large − small", "verdict"), rows, (0, 6))
        if rows else "No two isoFLOP budgets share models.\n",
        f"The same by the law of `{e.joint_form or e.form}`, for {params(float(ends.min()))} and "
        f"{params(float(ends.max()))} parameters at {examples(e.data_size)} examples, other factors free within the "
        "measured ranges:\n",
        table(("budgets", "small gains", "large gains", "large − small"), law) if law else
        "The law affords no step for both.\n",
        "By task, the last step's difference, and the interaction of model and video (points per doubling of both):\n",
        table(("task", "large − small", "verdict", "interaction", "verdict", "remark"), tasks,
              (0, 2, 4, 5))])


def _span(budgets: tuple[float, float]) -> str:
    of = unit(FLOPS, budgets[1])
    return f"{plain(budgets[0] / of.scale, 3)} → {plain(budgets[1] / of.scale, 3)} {of.shown}"


def frames_tokens(e: Evidence) -> str:
    """Whose doubling pays more, and which task wants what."""
    near, law, keyed = e.preference, e.by_law, by_key(e)
    rows = []
    if near:
        rows = [("raw rows, around the star's centre", shown(near.frames), shown(near.tokens), shown(near.difference),
                 near.verdict), ("raw rows, whole measured ranges", "", "", shown(near.whole),
                                 keyed["frames"].parts[1].verdict)]
    if law:
        rows.append((f"law of {e.form}, mean over {law.points} configurations with room for both", "", "",
                     shown(law.difference), keyed["frames"].parts[2].verdict))
    tasks = [(p.target, shown(p.frames), shown(p.tokens), shown(p.difference), wants(e, p.target))
             for p in e.preferences]
    each = e.preferences[0].difference.level if e.preferences else e.settings.level
    share = f"By the law frames pay more in {percent(law.share)} % of those configurations.\n" if law else ""
    return "\n".join([
        "## Frames against tokens per frame\n", verdict_line(keyed["frames"]),
        "Fall of the average error per doubling (points). Doubling frames doubles the whole cost of a video, doubling "
        "tokens per frame only the language model's part of it.\n",
        table(("from", "frames", "tokens per frame", "frames − tokens", "verdict"), rows, (0, 4)), share,
        "## Tasks want different things\n", verdict_line(keyed["tasks"]),
        f"Around the star's centre, raw rows; intervals {plain(100 * each, 4)} % each, so that all hold together with "
        f"{percent(e.settings.level)} %.\n",
        table(("task", "frames", "tokens per frame", "frames − tokens", "wants"), tasks, (0, 4))])


def data(e: Evidence) -> str:
    """Elasticities of the optimum beside the published ones."""
    rows = []
    for form, reports in e.elasticities.items():
        for report in reports:
            for f in report.factors:
                span = None
                if f.low is not None and f.high is not None:
                    span = Estimate(value=still(f.value), low=still(f.low), high=still(f.high))
                sign = 1 if published.ELASTICITY[f.factor] > 0 else -1
                verdict = judge(span if sign > 0 or span is None else -span)
                rows.append((form, report.kind, f.factor, f"{published.ELASTICITY[f.factor]:+.2f}", shown(span, 1.0),
                             verdict,
                             percent(f.share_moved, 2), percent(f.share_at_lower, 2), percent(f.share_at_upper, 2),
                             percent(report.share_slack, 2)))
    names = dict.fromkeys(report.estimator for reports in e.elasticities.values() for report in reports)
    sizes = sorted({b.data_size for b in e.best_at})
    raw = [(with_unit(budget), str(of[0].configurations), *(_best_at(each) for each in of)) for budget in
           dict.fromkeys(b.budget for b in e.best_at) if (of := [b for b in e.best_at if b.budget == budget])]
    return "\n".join(["## More data\n", verdict_line(by_key(e)["data"]),
                      "Per cent change of each optimal factor per per cent more data, mean over budgets and data "
                      "sizes. Forms whose terms all depend on the data alike (mult, add) give zeros by construction.\n",
                      table(("form", "estimator", "factor", "published", "here", "its sign", "moves (% of points)",
                             "at smallest (%)", "at largest (%)", "budget slack (%)"), rows, (0, 1, 2, 5)),
                      *(f"- {name}" for name in names), "",
                      "Without any law: the best measured configuration (lm_params × frames × tokens per frame) among "
                      "those of about equal cost that were run at every data size, and how many points of error the "
                      "next best has more:\n" if raw else "No isoFLOP sweep was run at several data sizes.\n",
                      *([table(("budget", "configurations", *(f"{examples(n)} examples" for n in sizes)), raw,
                               (*range(2, 2 + len(sizes)),))] if raw else [])])


def _best_at(best: BestAtData) -> str:
    n, t, v = best.best
    return f"{params(n)} × {plain(t, 4)} × {plain(v, 4)}, by {shown(best.lead)}"


def naive(e: Evidence) -> str:
    """Gains over naive policies, and what ignoring the encoder costs."""
    keyed, low_high = by_key(e), published.GAIN
    rows = [(p.policy, f"{p.served[0]} of {p.served[1]}", shown(p.gain), shown(p.reduction),
             f"{plain(p.overshoot)} × budget" if p.overshoot is not None else NONE, p.verdict) for p in e.policies]
    raw = [(with_unit(b.budget), str(b.runs), shown(b.gain)) for b in e.blind]
    values = [(with_unit(v.budget), *(("0", "0", "0") if v.slack else tuple(shown(x, 1.0) for x in (
        v.encoder, v.lm, v.difference))), "budget slack" if v.slack else "") for v in e.values]
    budgets = ", ".join(with_unit(b) for b in e.budgets)
    return "\n".join([
        "## Against naive allocation\n", verdict_line(keyed["naive"]),
        f"Relative gain in mean accuracy (published: {low_high[0]:g} to {low_high[1]:g} %, neither the naive choice "
        f"nor the measure defined) and relative fall of the error, by the law of {e.form} at {examples(e.data_size)} "
        f"examples, mean over {budgets}. Choices are the point fit's; intervals are of what they are worth; errors "
        "above guessing's count as guessing's.\n",
        table(("policy", "budgets served", "accuracy gain (%)", "error reduction (%)", "true cost of its own plan",
               "verdict"), rows, (0, 5)),
        _beside_published(e),
        *(f"- {p.policy}: {p.sentence}" for p in e.policies), "",
        "Raw rows: the best measured configuration against the mean of those of about equal cost, a blind pick:\n",
        table(("budget", "configurations", "accuracy gain (%)"), raw) if raw else "No isoFLOP rows.\n",
        "## The encoder\n", verdict_line(keyed["encoder"]), verdict_line(keyed["cheaper"]),
        "What one per cent cheaper is worth at the continuous optimum, per cent of error (λ · share of the cost):\n",
        table(("budget", "encoder", "LM tokens", "encoder − LM", "remark"), values, (4,)) if values else
        "The cost has no continuous optimum.\n"])


def _beside_published(e: Evidence) -> str:
    """How many naive policies' gains meet the published range."""
    low, high = published.GAIN
    gains = [p.gain for p in e.policies if p.policy != IGNORES_ENCODER and p.gain.known]
    meets = sum(100 * g.low <= high and 100 * g.high >= low for g in gains)
    below, above = sum(100 * g.high < low for g in gains), sum(100 * g.low > high for g in gains)
    return (f"Of the gains over {len(gains)} naive policies {meets} meet the published range with their interval, "
            f"{below} lie below it and {above} above.\n")


def life(e: Evidence) -> str:
    """A month of inference against the finetuning."""
    runs = e.table.rows.drop_duplicates([k for k in RUN_KEY if k in e.table.rows.columns])
    rows = runs.loc[runs[DATA_SIZE] == runs[DATA_SIZE].max()].reset_index(drop=True)
    x, sizes = rows[list(FACTORS)].to_numpy(dtype=np.float64), rows[DATA_SIZE].to_numpy(dtype=np.float64)
    cost, spent = e.cost.cost(x), column_numbers(rows, "trained_flops")
    recorded = len(spent) == len(rows)
    chosen = dict.fromkeys(int(k) for k in (cost.argmin(), np.argsort(cost)[len(cost) // 2], cost.argmax()))
    cells = []
    for k in chosen:
        per = float(cost[k])
        once = float(spent[k]) if recorded else 3.0 * float(sizes[k]) * per
        life_of = lifetime(once, per, videos_per_month=30 * VIDEOS_PER_DAY)
        cells.append((f"{params(float(x[k, 0]))} × {x[k, 1]:g} × {x[k, 2]:g}", examples(float(sizes[k])), f"{once:.3g}",
                      amount(per, unit(FLOPS, float(cost.max()))),
                      plain(float(life_of.ratio)), examples(float(life_of.crossover_per_month))))
    finetuning = "as recorded by the runs" if recorded else "3 forward passes an example"
    return "\n".join([
        "## A month of inference\n", verdict_line(by_key(e)["lifetime"]),
        "With every part trained the ratio is videos a month over 3 · examples, whatever the model: "
        f"{plain(paper_ratio())} for {VIDEOS_PER_DAY / 1e6:g} million videos a day and a million examples (published: "
        f"up to {published.LIFETIME:g}; what it assumed is not known to us). Here, at that volume, finetuning "
        f"{finetuning}:\n",
        table(("configuration", "examples", "finetuning (FLOPs)",
               f"inference ({unit(FLOPS, float(cost.max())).shown} a video)", "a month over finetuning",
               "videos a month where both are equal"), cells)])
