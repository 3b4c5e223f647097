"""What a table itself gives reason to say: columns that look like another metric, runs left out, slips of the pen."""

import numpy as np

from vidscale.measurements import MeasurementTable, Observations
from vidscale.validate import FullFits

#: How much of the scatter of log errors a law of rising errors must explain before it is remarked on.
RISING_R2 = 0.3
#: A measurement is far off where its log residual is this many times the usual one, and it is this far from the law: a
#: task that is all but solved is missed by much in logs, and by little.
FAR_OFF, FAR_OFF_ERROR = 8.0, 0.15


def table_notes(table: MeasurementTable, obs: Observations, full: FullFits) -> list[str]:
    """Sentences for the reader of a study.

    Args:
        table: the measurements.
        obs: its runs.
        full: the deployed form's fits to all of them.
    """
    return [*_rising(obs), *_incomplete(table, obs), *_far_off(obs, full)]


def _rising(obs: Observations) -> list[str]:
    """What to say of a table whose errors rise with every factor, as accuracies do."""
    known = np.isfinite(obs.error[:, 0])
    x, y = np.log(obs.x[known]), np.log(obs.error[known, 0])
    if x.shape[1] < 2 or len(y) < x.shape[1] + 2 or not np.ptp(y) > 0:
        return []
    # All factors at once: a star and an isoFLOP sweep trade them against each other.
    x, y = x - x.mean(axis=0), y - y.mean()
    slopes = np.linalg.lstsq(x, y, rcond=None)[0]
    explained = 1 - float(np.sum((y - x @ slopes) ** 2) / np.sum(y**2))
    if not np.all(slopes > 0) or explained < RISING_R2:
        return []
    return [f"the error rises with {', '.join(obs.factors)}: if the column holds scores (accuracies), declare that "
            "(--metric score, in Python metric='score')"]


def _incomplete(table: MeasurementTable, obs: Observations) -> list[str]:
    """Runs that the average leaves out."""
    if obs.targets[0] in table.tasks:
        return []
    lost = np.flatnonzero(np.isnan(obs.error[:, 0]))
    if not lost.size:
        return []
    named = [obs.run_ids[i] for i in lost[:3]]
    short = sorted(t for k, t in enumerate(obs.targets) if k and np.isnan(obs.error[lost, k]).any())
    which = f"{', '.join(named)}{' and more' if lost.size > 3 else ''}"
    return [f"{lost.size} of {len(obs)} runs ({which}) lack a task ({', '.join(short[:3])}"
            f"{' and more' if len(short) > 3 else ''}) and are left out of the {obs.targets[0]}"]


def _far_off(obs: Observations, full: FullFits) -> list[str]:
    """Measurements that the law misses by far more than it misses the others: slips of the pen, mostly."""
    found = []
    for fit in full.fits:
        column = obs.target(fit.target)
        rows = np.flatnonzero(np.isfinite(obs.error[:, column]))
        fitted = fit.predict(full.runs.x[rows])
        measured = obs.error[rows, column]
        gap = np.abs(np.log(measured / fitted))
        usual = 1.4826 * float(np.median(gap))
        for i in np.flatnonzero((gap > FAR_OFF * usual) & (np.abs(measured - fitted) > FAR_OFF_ERROR)):
            found.append((float(gap[i]), f"{fit.target} of {obs.run_ids[rows[i]]} is {100 * measured[i]:.3g} % and the "
                                         f"law says {100 * fitted[i]:.3g} %"))
    worst = [text for _, text in sorted(found, reverse=True)[:3]]
    return [f"far off, check for slips: {'; '.join(worst)}{' and more' if len(found) > 3 else ''}"] if worst else []
