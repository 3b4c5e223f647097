"""What the paper reports, to be put beside one's own numbers.

Wang et al., *Inference Compute-Optimal Video Vision Language Models*, ACL 2025, arXiv 2505.18855.
"""

from collections.abc import Mapping

from vidscale.space import FRAMES, LM_PARAMS, TOKENS_PER_FRAME

#: form → (MSE in percentage points², mean relative error in %, R²), for average task error; by kind of held-out rows.
COMPARISON: Mapping[str, Mapping[str, tuple[float, float, float]]] = {
    "cross-validation": {"mult": (1.21, 1.62, 0.88), "add": (0.56, 1.11, 0.94), "add-interact-s": (0.24, 0.80, 0.97),
                         "add-interact": (0.20, 0.77, 0.98)},
    "extrapolation": {"mult": (6.73, 3.55, 0.45), "add": (2.04, 2.15, 0.83), "add-interact-s": (0.94, 1.32, 0.92),
                      "add-interact": (0.95, 1.33, 0.92)},
}

#: Mean elasticity of the optimal factor in the finetuning data size.
ELASTICITY: Mapping[str, float] = {LM_PARAMS: -0.22, FRAMES: 0.17, TOKENS_PER_FRAME: 0.79}

#: Gain of compute-optimal over naive configurations at equal FLOPs, per cent.
GAIN = (5.0, 15.0)

#: Largest cost of a month's inference over that of the finetuning.
LIFETIME = 340.0

#: What the sweep took, A100-hours, about.
GPU_HOURS = 100_000.0
