"""The numerical gate: an exported model that does not equal its source is not written.

The tolerance is ours, not a helper's default: max |Δ| ≤ 1e-4 of the standard deviation of the source's outputs
over all images, and the same arg-max on each.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import torch
from torch import nn

from device_agent.wire import Parity
from exporters.errors import ParityError

Float32Array = npt.NDArray[np.float32]
TOLERANCE = 1e-4


def compare(reference: Float32Array, exported: Float32Array, tolerance: float = TOLERANCE) -> Parity:
    """Compare two (N, classes) arrays of logits. Raises `ParityError`; NaN anywhere is a difference."""
    if reference.shape != exported.shape:
        raise ParityError(
            f"The exported model's outputs have shape {exported.shape}, its source's {reference.shape}.",
            "Nothing was written; report it with the model's name.",
        )
    with np.errstate(invalid="ignore"):
        spread = float(reference.std())
        errors = np.abs(reference - exported)
        error, usual = float(errors.max()), float(np.quantile(errors, 0.99))
    same = bool((reference.argmax(axis=1) == exported.argmax(axis=1)).all())
    parity = Parity(len(reference), error, usual, spread, tolerance, same)
    if not (same and error <= tolerance * spread):  # also false when a NaN makes the comparison false
        raise ParityError(
            f"The exported model differs from its source by {error:.3g} on {len(reference)} images, "
            f"more than {tolerance:g} of the outputs' spread {spread:.3g}"
            f"{'' if same else ', and its top-1 answers differ'}.",
            "Nothing was written. Check the checkpoint's weights for NaN or huge values, and report the model.",
        )
    return parity


def torch_logits(model: nn.Module, inputs: Float32Array) -> Float32Array:
    """(N, classes) logits of the eager model, one image at a time."""
    with torch.inference_mode(), _one_thread():
        return _each(lambda image: model(torch.from_numpy(image)).numpy(), inputs)


def onnx_logits(model: onnx.ModelProto, inputs: Float32Array) -> Float32Array:
    """(N, classes) logits of ONNX Runtime on the CPU, one image at a time."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return _each(lambda image: np.asarray(session.run(None, {name: image})[0], dtype=np.float32), inputs)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Sums split over threads round differently on every machine; the manifest's figures must not."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _each(run: Callable[[Float32Array], Float32Array], inputs: Float32Array) -> Float32Array:
    return np.concatenate([run(inputs[index : index + 1]) for index in range(len(inputs))])
