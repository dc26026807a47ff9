"""How far the device's answers are from the right ones, image by image. Pure.

The right ones are the network's, or the graph's, own in double precision. What is allowed is what the artifact allows
its golden pair: processors sum in another order, and none of them rounds more than that.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, isfinite
from typing import Literal

import numpy as np

from device_agent.closeness import error_of, same_answer
from device_agent.manifest import ArtifactManifest, Golden, TensorInfo
from device_agent.messages.bench import Outputs
from exporters.right_answers import Tensors
from groupnl_deploy.remote.outputs import array_of


@dataclass(frozen=True)
class Agreement:
    """Of the output that is farthest off, over `images` of the images, or samples, that the model was shown.

    Args:
        images: how many were compared.
        output: its name.
        error: of the image where it is largest, in the output's own unit; null where an answer lacks a number or has an
            infinite one.
        allowed: at most.
        measure: what `error` is of one image: the largest |Δ|, or the mean, as for quantized models.
        same_answers: of how many images the largest number is that of the right answer; null where it is no scores.
    """

    images: int
    output: str
    error: float | None
    allowed: float
    measure: Literal["max", "mean"]
    same_answers: int | None

    @property
    def holds(self) -> bool:
        """Whether every image's answer is as near as it should be, and the same."""
        return self.error is not None and self.error <= self.allowed and self.same_answers in (None, self.images)


def agreement_of(outputs: Sequence[Outputs], right: Sequence[Tensors], manifest: ArtifactManifest) -> Agreement | None:
    """Compare as many as both have; None where there are none, or the artifact says nothing of what is allowed."""
    golden, pairs = manifest.golden, list(zip(map(_arrays, outputs), right, strict=False))
    if golden is None or not pairs or not all(_same_shapes(*pair) for pair in pairs):
        return None
    told = zip(manifest.outputs, golden.tolerances, strict=True)
    return max((_of_output(info, allowed, pairs, golden) for info, allowed in told), key=_badness)


def _of_output(info: TensorInfo, allowed: float, pairs: Sequence[tuple[Tensors, Tensors]], golden: Golden) -> Agreement:
    found = [(ours[info.name], answers[info.name]) for ours, answers in pairs]
    errors = [error_of(*pair, golden.measure) for pair in found]
    same = sum(bool(same_answer(*pair, golden.tie)) for pair in found) if info.is_scores else None
    worst = float(np.max(errors))  # of numbers with a NaN among them it is that
    return Agreement(len(found), info.name, worst if isfinite(worst) else None, allowed, golden.measure, same)


def _badness(one: Agreement) -> float:
    """Whatever does not hold is worse than all that do; an output that has to be equal has no allowance to go by."""
    if one.error is None or not one.holds:
        return inf
    return one.error / one.allowed if one.allowed else one.error


def _arrays(told: Outputs) -> Tensors:
    return {values.name: array_of(values) for values in told.values}


def _same_shapes(ours: Tensors, right: Tensors) -> bool:
    return ours.keys() == right.keys() and all(ours[name].shape == right[name].shape for name in ours)
