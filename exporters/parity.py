"""The numerical gate: an exported model that does not equal its source is not written.

The right answers are the source's in double precision (`exporters.reference`). The tolerance is ours, not a helper's
default: max |Δ| ≤ 1e-4 of their standard deviation over all images, or twice what the source itself is off by in
single precision where that is more; and the same arg-max on each.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from torch import nn

from device_agent.manifest import Amplifier, Golden, Parity
from exporters.errors import Amplified, BatchBaked, ParityError
from exporters.reference import Float32Array, Reference, batched, first_line, torch_logits
from exporters.tolerances import ON_A_DEVICE, ONE_BY_ONE, ROUNDINGS, TOLERANCE, tie

# No rewrite of ours is off by more than three times what eager is; one that is off by so much more, and not by next to
# nothing, is wrong in something that these images hardly show.
_STRANGE, _NEAR = 10, 0.05

Logits = npt.NDArray[np.floating[Any]]


def prove_onnx(reference: Reference, model: onnx.ModelProto) -> Parity:
    """Run a graph in ONNX Runtime at every batch of the reference. Raises `ParityError`, `BatchBaked`."""
    return _proved(reference, partial(onnx_logits, model))


def prove_torch(reference: Reference, model: nn.Module) -> Parity:
    """Run an eager network. Raises `ParityError`."""
    return _proved(reference, partial(torch_logits, model))


def _proved(reference: Reference, run: Callable[[Float32Array, tuple[int, ...]], Logits]) -> Parity:
    """On all images, and on those of the wider reference where the difference is more than rounding explains."""
    parity = _judged(reference, run(reference.inputs, reference.batches))
    strange = parity.max_abs_error > max(_STRANGE * parity.eager_error, _NEAR * parity.tolerance * parity.output_std)
    if strange and reference.wider is not None:
        wide = replace(reference.wider(), amplifier=reference.amplifier)
        _compared(wide, run(wide.inputs, wide.batches), len(wide.logits), reference.spread)
    return parity


def _judged(reference: Reference, found: Logits) -> Parity:
    count = len(reference.inputs)
    parity = _compared(reference, found, count)
    if len(found) == count:
        return parity
    try:
        return _compared(reference, found, len(found))
    except ParityError as error:
        raise _baked(f"with several images at once {_lower(error.message)}") from error


def _compared(reference: Reference, found: Logits, rows: int, spread: float | None = None) -> Parity:
    """The first rows: all of them, or those of the images one by one."""
    return compare(
        reference.logits[:rows],
        found[:rows],
        eager_error=reference.eager_error,
        spread=reference.spread if spread is None else spread,
        batches=reference.batches,
        amplifier=reference.amplifier,
        images=len(reference.inputs),
    )


def compare(
    reference: Logits,
    exported: Logits,
    tolerance: float = TOLERANCE,
    *,
    eager_error: float = 0.0,
    spread: float | None = None,
    batches: tuple[int, ...] = ONE_BY_ONE,
    amplifier: Amplifier | None = None,
    images: int | None = None,
) -> Parity:
    """Compare two (N, classes) arrays of logits. Raises `ParityError`; NaN anywhere is a difference.

    Args:
        reference: the right ones.
        exported: those to be judged.
        tolerance: of the spread; the least that is allowed.
        eager_error: max |Δ| of the source in single precision.
        spread: standard deviation of the right ones, if not that of `reference`.
        batches: kept in the answer.
        amplifier: kept in the answer.
        images: how many there are, if not one a row.
    """
    _require_same_shape(reference, exported)
    with np.errstate(invalid="ignore"):
        spread = float(reference.std()) if spread is None else spread
        errors = np.abs(reference.astype(np.float64) - exported)
        error, usual = float(errors.max()), float(np.quantile(errors, 0.99))
        same = _same_answers(reference, exported, tie(eager_error))
    allowed = max(tolerance, ROUNDINGS * eager_error / spread) if spread > 0 else tolerance
    count = len(reference) if images is None else images
    parity = Parity(count, error, usual, spread, allowed, same, eager_error, "float64", batches, amplifier)
    if not (same and error <= allowed * spread):  # also false when a NaN makes the comparison false
        raise _differs(parity)
    return parity


def _require_same_shape(reference: Logits, exported: Logits) -> None:
    if reference.shape != exported.shape:
        raise ParityError(
            f"The exported model's outputs have shape {exported.shape}, its source's {reference.shape}.",
            "Nothing was written; report it with the model's name.",
        )


def _same_answers(reference: Logits, exported: Logits, tied: float) -> bool:
    """Whether the best of each row of `exported` is the best of `reference`'s, or tied with it."""
    answers = np.expand_dims(exported.argmax(axis=1), 1)
    lead = reference.max(axis=1, keepdims=True) - np.take_along_axis(reference, answers, axis=1)
    if tied == 0.0:  # of two that are equal the first is the answer
        return bool((answers == np.expand_dims(reference.argmax(axis=1), 1)).all())
    return bool((lead <= tied).all())


def _differs(parity: Parity) -> ParityError:
    noise = parity.amplification
    remedy = "Check the checkpoint's weights for NaN or huge values, and report the model."
    if noise is not None:
        remedy = "Such a network cannot be proved any better: train it, or look for huge weights."
    return (ParityError if noise is None else Amplified)(
        f"The exported model differs from its source by {parity.max_abs_error:.3g} on {parity.images} images, "
        f"more than {parity.tolerance:.3g} of the outputs' spread {parity.output_std:.3g}"
        f"{'' if parity.same_top1 else ', and its top-1 answers differ'}.{'' if noise is None else f' {noise}'}",
        f"Nothing was written. {remedy}",
    )


def golden_pair(reference: Reference, parity: Parity) -> tuple[Golden, Float32Array, Float32Array]:
    """The image (1, C, H, W) whose answer is clearest, its right logits, and what a device may be off by.

    Other processors sum in another order: ten times what the proof allows, of |Δ| and of ties alike.
    """
    count = len(reference.inputs)
    two = np.sort(reference.logits[:count].reshape(count, -1), axis=1)[:, -2:]
    best = int((two[:, -1] - two[:, 0]).argmax())
    image, logits = reference.inputs[best : best + 1], reference.logits[best : best + 1].astype(np.float32)
    allowed = ON_A_DEVICE * parity.tolerance * parity.output_std
    return Golden((allowed,), tie=ON_A_DEVICE * tie(parity.eager_error)), image, logits


def onnx_logits(model: onnx.ModelProto, inputs: Float32Array, batches: tuple[int, ...] = ONE_BY_ONE) -> Float32Array:
    """(M, classes) logits of ONNX Runtime on the CPU, in the order of `batched`.

    Raises `BatchBaked` where a graph that runs on one image does not on several, or mixes them up.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return np.concatenate([_one_run(session, images) for images in batched(inputs, batches)])


def _one_run(session: onnxruntime.InferenceSession, images: Float32Array) -> Float32Array:
    try:
        output = session.run(None, {session.get_inputs()[0].name: images})[0]
    except Exception as error:  # ONNX Runtime has a family of its own
        if len(images) == 1:
            raise
        raise _baked(f"a batch of {len(images)} fails: {first_line(error)}.") from error
    logits = np.asarray(output, dtype=np.float32)
    if len(images) > 1 and (logits.ndim < 2 or len(logits) != len(images)):
        raise _baked(f"a batch of {len(images)} gives an output of shape {logits.shape}.")
    return logits


def _baked(what: str) -> BatchBaked:
    return BatchBaked(
        f"One image at a time it is right, but {what}", "Nothing was written; report it with the model's name."
    )


def _lower(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]
