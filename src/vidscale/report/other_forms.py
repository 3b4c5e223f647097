"""The forms that were compared but not deployed, one line each."""

from typing import TYPE_CHECKING

from vidscale.forms import text
from vidscale.report.numbers import plain

if TYPE_CHECKING:
    from vidscale.study import Study


def other_form_lines(study: "Study") -> list[str]:
    """Each other form with its values for the lead target, and what of it sits at a bound, with profile intervals."""
    lines = []
    for name, profiles in study.other_profiles.items():
        fit = study.comparison.fits[name].fit(study.model.lead)
        said = [f"{name}: {text(fit.form, fit.parameters)}"]
        bound = {sentence.split(" ", 1)[0]: sentence for sentence in fit.certificate.at_bound}
        bound |= {gone: f"{gone} is at its bound 0" for gone in fit.certificate.gone}
        for parameter, sentence in bound.items():
            found = profiles.get(parameter)
            if found is None:
                said.append(sentence)
            else:
                said.append(f"{sentence}, {100 * found.level:.4g} % profile interval "
                            f"[{plain(found.low, 2)}, {plain(found.high, 2)}]")
        lines.append("; ".join(said))
    return lines
