"""The whole analysis, from a table to the answer."""

from vidscale.study.elasticity import (
    ElasticityReport,
    FactorElasticity,
    elasticity_reports,
    no_continuous,
    no_elasticity,
)
from vidscale.study.frontier import (
    ContinuousOptimum,
    CurrentReport,
    FrontierPoint,
    FrontierReport,
    NearTie,
    current_report,
    default_budgets,
    frontier_report,
    lattice_values,
    on_lattice,
    policies_for,
)
from vidscale.study.model import PREDICTORS, Model, TargetModel, make_model
from vidscale.study.settings import LATTICES, StudySettings
from vidscale.study.study import (
    Study,
    bootstrap_model,
    choose_form,
    cost_model,
    fit_one,
    frontier_data_sizes,
    holdout_plan,
    make_lattice,
    profile_lead,
    resolve_forms,
    run_study,
)

__all__ = ["LATTICES", "PREDICTORS", "ContinuousOptimum", "CurrentReport", "ElasticityReport", "FactorElasticity",
           "FrontierPoint", "FrontierReport", "Model", "NearTie", "Study", "StudySettings", "TargetModel",
           "bootstrap_model", "choose_form", "cost_model", "current_report", "default_budgets", "elasticity_reports",
           "fit_one", "frontier_data_sizes", "frontier_report", "holdout_plan", "lattice_values", "make_lattice",
           "make_model", "no_continuous", "no_elasticity", "on_lattice", "policies_for", "profile_lead",
           "resolve_forms", "run_study"]
