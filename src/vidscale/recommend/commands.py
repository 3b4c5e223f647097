"""How engines serve a configuration."""

from collections.abc import Mapping

from vidscale.recommend.answerer import Asked
from vidscale.recommend.recommendation import Command, Configuration, CostDetail
from vidscale.space import VideoVLM


def commands(asked: Asked, x: Configuration, cost: CostDetail, vlm: VideoVLM | None) -> Mapping[str, Command]:
    """Engine → command."""
    return {}
