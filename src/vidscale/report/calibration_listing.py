"""How well a calibration predicts, for people and for programs."""

from typing import TYPE_CHECKING, Any

from vidscale.report.numbers import percent
from vidscale.report.tables import Column, Table

if TYPE_CHECKING:
    from vidscale.cost.calibration.run import Calibration

WORDS = {"tower": "vision tower", "prefill": "prefill", "decode": "decode step", "request": "whole request",
         "all": "all"}


def accuracy_table(calibration: "Calibration") -> Table:
    """Errors on the held-out shapes, with the profile and with the data sheet alone."""
    figures = ("median", "mean", "worst")
    columns = (Column(name="pass", words=True), Column(name="shapes"),
               *(Column(name=name, unit="%") for name in figures),
               *(Column(name=f"{name} by data sheet", unit="%") for name in figures))
    rows = []
    for own, sheet in zip(calibration.accuracy, calibration.uncalibrated):
        a, b = own.as_dict(), sheet.as_dict()
        rows.append((WORDS[own.what], str(a["points"]), *(percent(a[name]) for name in figures),
                     *(percent(b[name]) for name in figures)))
    profile = calibration.profile
    notes = [f"{len(profile.points)} points in {profile.provenance['calibration_seconds']:g} s on "
             f"{profile.provenance.get('device', profile.gpu)}; none of the shapes above is among them"]
    notes += [f"mean board power: {', '.join(f'{phase} {watts:.0f} W' for phase, watts in profile.watts.items())}"
              ] if profile.watts else []
    return Table(title="Error of predicted times", columns=columns, rows=tuple(rows), notes=tuple(notes))


def calibration_dict(calibration: "Calibration") -> dict[str, Any]:
    """The same as data."""
    return {"gpu": calibration.profile.gpu, "provenance": dict(calibration.profile.provenance),
            "watts": dict(calibration.profile.watts), "points": len(calibration.profile.points),
            "held_out": [each.as_dict() for each in calibration.accuracy],
            "held_out_uncalibrated": [each.as_dict() for each in calibration.uncalibrated]}
