"""The answer to a deployer's question: which configuration, how sure, why, and how to serve it."""

from vidscale.recommend.answerer import Answerer
from vidscale.recommend.question import Question
from vidscale.recommend.recommend import recommend
from vidscale.recommend.recommendation import (
    Bottleneck,
    Command,
    Comparison,
    Configuration,
    CostDetail,
    ErrorEstimate,
    Flops,
    NearTie,
    NextBudget,
    NextData,
    OneStep,
    Recommendation,
    Risk,
    ValueOfCompute,
)
from vidscale.recommend.staircase import Staircase, Step, staircase
from vidscale.recommend.weighted import tasks_of, weighted_model

__all__ = ["Answerer", "Bottleneck", "Command", "Comparison", "Configuration", "CostDetail", "ErrorEstimate", "Flops",
           "NearTie", "NextBudget", "NextData", "OneStep", "Question", "Recommendation", "Risk", "Staircase", "Step",
           "ValueOfCompute", "recommend", "staircase", "tasks_of", "weighted_model"]
