"""How far predicted times are from measured ones."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidscale.cost.calibration.points import Point
from vidscale.cost.latency import decode_seconds, encoder_seconds, prefill_seconds, request_time, tower_alone
from vidscale.cost.profile import Profile
from vidscale.space import Projector, VideoVLM
from vidscale.space.catalogue import LANGUAGE_MODELS, VISION_TOWERS


@dataclass(frozen=True, kw_only=True, eq=False)
class Accuracy:
    """Relative errors of predicted times, predicted / measured − 1.

    Attributes:
        what: kind of point ("tower", "prefill", "decode", "request", or "all").
        errors: shape (points,).
    """

    what: str
    errors: NDArray[np.float64]

    def as_dict(self) -> dict[str, Any]:
        """Count, median, mean and worst of the absolute errors, as fractions."""
        size = np.abs(self.errors)
        return {"what": self.what, "points": int(size.size), "median": float(np.median(size)),
                "mean": float(size.mean()), "worst": float(size.max())}


def predicted_seconds(point: Point, profile: Profile) -> float:
    """What a profile says of a whole-model point."""
    if point["what"] == "tower":
        return float(encoder_seconds(tower_alone(point["model"], point["layers"]), point["frames"], 1, profile=profile))
    lm = LANGUAGE_MODELS[point["model"]]
    if point["what"] == "prefill":
        return float(prefill_seconds(lm, point["tokens"], profile=profile, batch=point["batch"]))
    if point["what"] == "decode":
        return float(decode_seconds(lm, point["context"], profile=profile, batch=point["batch"]))
    whole = VISION_TOWERS[point["tower"]]
    vlm = VideoVLM(name="request", family="llava", lm=lm, projector=Projector(kind="mlp", pooled=True),
                   tower=replace(whole, skipped_layers=whole.layers - point["tower_layers"], final_norm=False))
    time = request_time(vlm, point["frames"], point["tokens_per_frame"], profile=profile, batch=point["batch"],
                        text_tokens=point["text_tokens"], output_tokens=point["output_tokens"])
    return float(time.total[0])


def accuracy(points: Iterable[Point], profile: Profile) -> tuple[Accuracy, ...]:
    """Errors over measured whole-model points: of each kind, then of all together; empty where there are none."""
    errors: dict[str, list[float]] = {}
    for point in points:
        if point["what"] in ("tower", "prefill", "decode", "request") and point.get("seconds"):
            errors.setdefault(point["what"], []).append(predicted_seconds(point, profile) / point["seconds"] - 1)
    if not errors:
        return ()
    kinds = [Accuracy(what=what, errors=np.array(each)) for what, each in errors.items()]
    return (*kinds, Accuracy(what="all", errors=np.concatenate([kind.errors for kind in kinds])))
