"""Fitting: the engine, what a fit says about itself, profile intervals, and SciPy as the reference."""

from vidscale.fit.certificate import Certificate, Merged
from vidscale.fit.fit import Fit, FitStatus, check_rows, fit, package
from vidscale.fit.problem import Layout, layout
from vidscale.fit.profile import Interval, profile
from vidscale.fit.reference import ReferenceFit, reference_fit
from vidscale.fit.solve import FitSettings, Solutions, distinct_optima, solve

__all__ = [
    "Certificate",
    "Fit",
    "FitSettings",
    "FitStatus",
    "Interval",
    "Layout",
    "Merged",
    "ReferenceFit",
    "Solutions",
    "check_rows",
    "distinct_optima",
    "fit",
    "layout",
    "package",
    "profile",
    "reference_fit",
    "solve",
]
