"""The arrays in an artifact, its golden pair and its samples, held against its manifest: sentences on what differs."""

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING

from device_agent.manifest import Preprocessing, Role, TensorInfo
from exporters.artifact import Artifact

if TYPE_CHECKING:
    from device_agent.arrays import Array, Arrays

_NEAR_A_PIXEL = 0.01  # of 255; float32 is off by a thousandth


def of_golden(artifact: Artifact) -> Iterator[str]:
    """The golden pair against inputs, outputs and allowances, and against mean and std where it is an image."""
    import numpy as np

    manifest, golden = artifact.manifest, artifact.manifest.golden
    if golden is None:
        return
    inputs = yield from _read(artifact, "golden_input", manifest.inputs)
    outputs = yield from _read(artifact, "golden_output", manifest.outputs)
    for info, allowed in zip(manifest.outputs, golden.tolerances, strict=True):
        answer = outputs.get(info.name)
        if answer is not None and info.is_float and answer.any():
            size = float(np.abs(answer).max() if golden.measure == "max" else np.abs(answer).mean())
            if not allowed < size:
                yield f"its golden tolerance of {info.name} is {allowed:.3g}, with which zeros would do"
    if inputs and manifest.preprocessing is not None:
        yield from of_pixels(manifest.preprocessing, *inputs.values())


def of_samples(artifact: Artifact) -> Iterator[str]:
    """The samples of a model that takes no image, against its inputs."""
    manifest = artifact.manifest
    if manifest.samples:
        yield from _read(artifact, "samples", manifest.inputs, manifest.samples)


def _read(
    artifact: Artifact, role: Role, infos: tuple[TensorInfo, ...], count: int | None = None
) -> "Generator[str, None, Arrays]":
    """Arrays by name, none where the file does not hold those of the manifest, which is yielded then."""
    from device_agent.arrays import NotTheseArrays, read_arrays

    try:
        return read_arrays(artifact.path(role), infos, count)
    except NotTheseArrays as error:
        yield f"its {role.replace('_', ' ')} is not what the manifest says: {error}"
        return {}


def of_pixels(about: Preprocessing, image: "Array") -> Iterator[str]:
    """Mean and std against the golden image: it is a photograph of whole pixels from 0 to 255, once they are undone.

    Args:
        about: mean, std and layout, which are tried.
        image: as the network takes it, with a batch of one.
    """
    import numpy as np

    planes = image.astype(np.float64)
    if about.layout == "nhwc":
        planes = planes.transpose(0, 3, 1, 2)
    if not len(about.mean) == len(about.std) == planes.shape[1]:
        return  # said elsewhere
    mean, std = (np.asarray(values).reshape(1, -1, 1, 1) for values in (about.mean, about.std))
    pixels = 255 * (planes * std + mean)
    step = np.finfo(image.dtype).eps * np.abs(image).max() if image.dtype.kind == "f" else 0.5  # of its rounding
    slack = _NEAR_A_PIXEL + 255 * float(step * np.abs(std).max() + 1e-6 * np.abs(mean).max())
    if not (np.abs(pixels - pixels.round()).max() <= slack and -slack <= pixels.min() <= pixels.max() <= 255 + slack):
        yield f"its golden image was not prepared with mean {about.mean} and std {about.std}"
