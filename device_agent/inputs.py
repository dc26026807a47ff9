"""What a model is shown in a benchmark: the images that the host sent, or the samples that lie in its artifact."""

import base64
import binascii
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from device_agent.arrays import Array, Arrays, NotTheseArrays, read_arrays
from device_agent.errors import UPDATE_BOTH, BadRequest, DigestMismatch
from device_agent.manifest import ArtifactManifest, Preprocessing
from device_agent.messages.bench import ImagePayload

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class BenchInputs:
    """So many whole inputs of a model, each made by `make` of its number when it is asked for."""

    count: int
    make: Callable[[int], Arrays]

    def __iter__(self) -> Iterator[Arrays]:
        return map(self.make, range(self.count))


def bench_inputs(directory: Path, payloads: Sequence[ImagePayload], manifest: ArtifactManifest) -> BenchInputs:
    """What a benchmark shows the model of an artifact that lies in `directory`.

    Raises `BadRequest`, and `DigestMismatch` for damaged samples.
    """
    how = manifest.preprocessing
    if (how is None) != (not payloads):
        takes = "its own samples" if how is None else "images"
        raise BadRequest(f"{len(payloads)} images were sent to a model that is shown {takes}.", UPDATE_BOTH)
    if how is None:
        return _own_samples(directory, manifest)
    return sent_images([decode_image(payload, manifest) for payload in payloads], manifest, how)


def sent_images(images: Sequence[Pixels], manifest: ArtifactManifest, how: Preprocessing) -> BenchInputs:
    """Images (1, C, H, W), which become the model's only input."""
    (takes,) = manifest.inputs
    return BenchInputs(len(images), lambda number: {takes.name: preprocess(images[number], how, takes.dtype)})


def _own_samples(directory: Path, manifest: ArtifactManifest) -> BenchInputs:
    path = directory / manifest.file("samples").name
    try:
        arrays = read_arrays(path, manifest.inputs, manifest.samples)
    except NotTheseArrays as error:
        raise DigestMismatch(f"{path} does not hold the samples of the manifest: {error}.", "Export again.") from error
    return BenchInputs(manifest.samples, lambda number: {name: array[number, ...] for name, array in arrays.items()})


def decode_image(payload: ImagePayload, manifest: ArtifactManifest) -> Pixels:
    """One image as (1, C, H, W) pixels. Raises `BadRequest` for another shape than the net's."""
    if payload.shape != manifest.image_shape:
        raise BadRequest(
            f"An image of shape {payload.shape} was sent to a net whose images are {manifest.image_shape}.",
            "Send images of the net's own input shape.",
        )
    try:
        pixels = np.frombuffer(base64.b64decode(payload.data, validate=True), dtype=np.uint8)
        return pixels.reshape(1, *payload.shape)
    except (binascii.Error, ValueError) as error:
        raise BadRequest(f"An image could not be read: {error}.", "Send it again.") from error


def preprocess(pixels: Pixels, how: Preprocessing, dtype: str = "float32") -> Array:
    """`(pixel / 255 - mean) / std` per channel, computed in float32, in the layout and the element type; contiguous.

    Args:
        pixels: (N, C, H, W).
        how: mean, std and layout.
        dtype: of the input. Whole numbers are rounded, and cut off at the type's range.
    """
    mean = np.asarray(how.mean, dtype=np.float32).reshape(1, -1, 1, 1)
    std = np.asarray(how.std, dtype=np.float32).reshape(1, -1, 1, 1)
    values = (pixels.astype(np.float32) / np.float32(255) - mean) / std
    if how.layout == "nhwc":
        values = values.transpose(0, 2, 3, 1)
    if np.dtype(dtype).kind in "iu":
        values = np.rint(values).clip(np.iinfo(dtype).min, np.iinfo(dtype).max)
    array: Array = np.ascontiguousarray(values, dtype=dtype)
    return array
