"""What can be chosen: scaling factors, the lattices a search runs over, and the shapes of models that stand behind."""

from vidscale.space.architecture import LanguageModel, Projector, VideoVLM, VisionTower
from vidscale.space.catalogue import (
    LANGUAGE_MODELS,
    VIDEO_VLMS,
    VISION_TOWERS,
    language_model,
    video_vlm,
    vision_tower,
)
from vidscale.space.factors import (
    DATA_SIZE,
    FACTORS,
    FACTORS_AND_DATA,
    FRAMES,
    LM_PARAMS,
    SUFFIXES,
    SYMBOLS,
    TOKENS_PER_FRAME,
    ScalingFactors,
)
from vidscale.space.huggingface import read_config, read_tower
from vidscale.space.ladder import LADDERS, Ladder, ladder
from vidscale.space.lattice import (
    LLAMA_SIZES,
    Lattice,
    dense_lattice,
    deployable_lattice,
    measured_lattice,
    published_lattice,
)

__all__ = [
    "DATA_SIZE",
    "FACTORS",
    "FACTORS_AND_DATA",
    "FRAMES",
    "LADDERS",
    "LANGUAGE_MODELS",
    "LLAMA_SIZES",
    "LM_PARAMS",
    "SUFFIXES",
    "SYMBOLS",
    "TOKENS_PER_FRAME",
    "VIDEO_VLMS",
    "VISION_TOWERS",
    "Ladder",
    "LanguageModel",
    "Lattice",
    "Projector",
    "ScalingFactors",
    "VideoVLM",
    "VisionTower",
    "dense_lattice",
    "deployable_lattice",
    "ladder",
    "language_model",
    "measured_lattice",
    "published_lattice",
    "read_config",
    "read_tower",
    "video_vlm",
    "vision_tower",
]
