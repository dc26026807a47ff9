"""A model that answers images, as a benchmark shows them to it, and nothing of it timed.

What it takes of memory is bounded, whatever is sent: the pixels of one request (`SENT_BYTES`), and the inputs and inner
tensors of as many images as are computed at once. A graph that was exported for one image, as ncnn's always is, has one
at a time. Another has several where images are small, since a small net spends its time on calls: as many as fit
`_COMPUTED_BYTES`.
"""

from math import prod
from pathlib import Path

import numpy as np

from device_agent.acceptance import require_golden
from device_agent.arrays import Array
from device_agent.backend_table import BACKENDS
from device_agent.backends import Backend, Subject, open_backend
from device_agent.errors import UPDATE_BOTH, BadRequest
from device_agent.image_check import output_values, run_once
from device_agent.inputs import preprocess
from device_agent.manifest import ArtifactManifest, Preprocessing
from device_agent.messages.answers import AnsweringOpened, ImagesAnswered, OpenAnswering, images_at_once
from device_agent.probe import usable_cores
from device_agent.requested import requested_subject
from device_agent.settings import Settings

_COMPUTED_BYTES = 48 << 10
"""Of pixels: sixteen images of 32 px, four of 64 px, one from 128 px on."""


def open_answerer(request: OpenAnswering, root: Path) -> "Answerer":
    """Verify what is asked for, load it and see that it gives its golden answers. Raises an `AgentError`."""
    settings = Settings(threads=request.threads)
    subject = requested_subject(root, request.directory, request.manifest_sha256, request.backend, settings)
    if not BACKENDS[request.backend].computes:
        raise BadRequest(f"The backend {request.backend} computes no answers.", "Choose another backend.")
    how, shape = subject.manifest.preprocessing, subject.manifest.image_shape
    if how is None or shape is None or subject.manifest.classes is None:
        raise BadRequest("The model takes no image, or tells no classes.", "Use groupnl bench, which measures it.")
    threads = request.threads or usable_cores()
    backend = open_backend(request.backend)
    backend.load(subject, Settings(threads=threads))
    require_golden(backend, subject.directory, subject.manifest)
    return Answerer(backend, subject, how, shape, AnsweringOpened(backend.versions, threads, backend.native))


class Answerer:
    """One loaded model. `opened` tells of it."""

    def __init__(
        self,
        backend: Backend,
        subject: Subject,
        how: Preprocessing,
        shape: tuple[int, int, int],
        opened: AnsweringOpened,
    ) -> None:
        self._backend, self._how, self._shape, self.opened = backend, how, shape, opened
        self._takes, self._gives = subject.manifest.inputs[0], subject.manifest.outputs[0].name
        self._at_once = _computed_at_once(subject.manifest, shape)

    def bytes_of(self, count: int) -> int:
        """So many images have. Raises `BadRequest` for more than one request may have."""
        most = images_at_once(self._shape)
        if count > most:
            raise BadRequest(f"{count:,} images were sent at once, and at most {most} may be.", UPDATE_BOTH)
        return count * prod(self._shape)

    def answer(self, data: bytes, count: int) -> ImagesAnswered:
        """The first output for all images. Raises `BackendFailed` where the runtime does."""
        pixels = np.frombuffer(data, np.uint8).reshape(count, *self._shape)
        parts = [self._computed(pixels[at : at + self._at_once]) for at in range(0, count, self._at_once)]
        return ImagesAnswered(output_values(self._gives, np.concatenate(parts)))

    def _computed(self, pixels: "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]") -> Array:
        prepared = self._backend.prepare({self._takes.name: preprocess(pixels, self._how, self._takes.dtype)})
        found: Array = self._backend.outputs(run_once(self._backend, prepared))[self._gives]
        return found


def _computed_at_once(manifest: ArtifactManifest, shape: tuple[int, int, int]) -> int:
    if manifest.format != "torch" and manifest.batch == "1":
        return 1
    return max(1, _COMPUTED_BYTES // prod(shape))
