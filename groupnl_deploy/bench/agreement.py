"""How far the device's answers are from the right ones, image by image. Pure.

The right ones are the network's own in double precision. What is allowed is what the artifact allows its golden pair:
processors sum in another order, and none of them rounds more than that.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from device_agent.closeness import error_of, same_answer
from device_agent.manifest import ArtifactManifest
from device_agent.messages.bench import Outputs, OutputValues

Array = npt.NDArray[np.generic]


@dataclass(frozen=True)
class Agreement:
    """Of the network's only output, over `images` of the images that were sent.

    Args:
        images: how many were compared.
        error: of the image where it is largest, in the output's own unit.
        allowed: at most.
        measure: what `error` is of one image: the largest |Δ|, or the mean, as for quantized models.
        same_answers: of how many images the largest number is that of the right answer; null where it is no scores.
    """

    images: int
    error: float
    allowed: float
    measure: Literal["max", "mean"]
    same_answers: int | None

    @property
    def holds(self) -> bool:
        """Whether every image's answer is as near as it should be, and the same; NaN is not."""
        return self.error <= self.allowed and self.same_answers in (None, self.images)


def agreement_of(
    outputs: Sequence[Outputs], right: Sequence[npt.NDArray[np.float64]], manifest: ArtifactManifest
) -> Agreement | None:
    """Compare as many as both have; None where there are none, or the artifact says nothing of what is allowed."""
    golden, pairs = manifest.golden, list(zip(outputs, right, strict=False))
    if golden is None or not pairs or len(manifest.outputs) != 1:
        return None
    found = [(_array(told.values[0]), answer) for told, answer in pairs]
    if any(ours.shape != answer.shape for ours, answer in found):
        return None
    errors = [error_of(ours, answer, golden.measure) for ours, answer in found]
    scores = manifest.outputs[0].is_scores
    same = sum(bool(same_answer(ours, answer, golden.tie)) for ours, answer in found)
    # The largest of numbers with a NaN among them is that.
    return Agreement(len(found), float(np.max(errors)), golden.tolerances[0], golden.measure, same if scores else None)


def _array(values: OutputValues) -> Array:
    data = np.frombuffer(base64.b64decode(values.data), dtype=np.dtype(values.dtype).newbyteorder("<"))
    return data.reshape(values.shape)
