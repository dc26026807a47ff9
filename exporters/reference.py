"""The right answers of an eager network: itself in double precision, on real images."""

import copy
import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from device_agent.manifest import Amplifier
from exporters.amplification import Network, find_amplifier, where_it_fails
from exporters.choices import INPUT_NAME, OUTPUT_NAME
from exporters.errors import Amplified, ExportFailed, ParityError
from exporters.right_answers import Answers, Array, Reference, Tensors, most_off, runs_of, samples_of, spread_of
from exporters.tolerances import ONE_BY_ONE, ROUNDINGS, TOLERANCE

Float32Array = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]

# Of the spread: a graph that answers zero to everything could pass where so much is allowed, so nothing is proved.
MOST_ALLOWED = 1


def reference_of(
    model: nn.Module,
    inputs: Float32Array,
    batches: tuple[int, ...] = ONE_BY_ONE,
    more: Callable[[], Float32Array] | None = None,
) -> Reference:
    """Compute it in both precisions; `model` is in evaluation mode and stays as it is.

    Args:
        model: the network.
        inputs: (N, C, H, W) images, preprocessed.
        batches: how many of them are computed at once.
        more: makes the images of `Reference.wider`.

    Raises `ExportFailed` for a network that cannot be asked so or that draws lots; `ParityError` where it gives no
    numbers, `Amplified` where single precision is so far off that any graph would pass.
    """
    samples = samples_of(INPUT_NAME, inputs)
    single = torch_answers(model, samples, batches)
    double = _in_double(model)
    right = torch_answers(double, samples, batches, torch.float64)
    _require_numbers(right, "The network's outputs are")
    _require_numbers(single, "In single precision the network's outputs are")
    error, spread = most_off(right, single), spread_of(right[: len(inputs)])
    wider = None if more is None else cache(lambda: reference_of(model, more()))
    answers = Answers(right, len(inputs), spread, error)
    found = Reference(samples, batches, {OUTPUT_NAME: answers}, wider=wider)
    if not ROUNDINGS * error > TOLERANCE * spread:
        return found
    _require_same_again(model, inputs[:1])
    _require_images_matter(answers)
    with torch.inference_mode(), _as_measured():
        amplifier = find_amplifier(model, double, torch.from_numpy(inputs[_worst(right, single, len(inputs))][None]))
    if ROUNDINGS * error > MOST_ALLOWED * spread:
        raise _hopeless(error / spread, amplifier)
    return replace(found, amplifier=amplifier)


def _worst(right: tuple[Array, ...], single: tuple[Array, ...], count: int) -> int:
    """The image that single precision is farthest off with."""
    return int(np.argmax([most_off([one], [two]) for one, two in zip(right[:count], single[:count], strict=True)]))


def torch_logits(
    model: Network,
    inputs: Float32Array,
    batches: tuple[int, ...] = ONE_BY_ONE,
    dtype: torch.dtype = torch.float32,
) -> Float64Array:
    """(M, classes) logits of the eager model, in the order of `runs_of`. Raises `ExportFailed` where it gives none."""
    return np.concatenate(torch_answers(model, samples_of(INPUT_NAME, inputs), batches, dtype))


def torch_answers(
    model: Network,
    samples: Sequence[Tensors],
    batches: tuple[int, ...],
    dtype: torch.dtype = torch.float32,
) -> tuple[Float64Array, ...]:
    """The logits of the eager model, one array a run. Raises `ExportFailed` where it gives none."""
    with torch.inference_mode(), _as_measured(dtype):
        images = (torch.from_numpy(run[INPUT_NAME]).to(dtype) for run in runs_of(samples, batches))
        return tuple(_one_run(model, batch) for batch in images)


def answer_in_double(model: nn.Module) -> Callable[[Float32Array], Float64Array]:
    """A function from images (N, C, H, W), preprocessed, to the network's logits in double precision.

    `model` is in evaluation mode and stays as it is. What is called raises `ExportFailed` for a network that cannot be
    computed so.
    """
    double = _in_double(model)

    def answer(images: Float32Array) -> Float64Array:
        with torch.inference_mode(), _as_measured(torch.float64):
            return _one_run(double, torch.from_numpy(images).double())

    return answer


def _one_run(model: Network, images: torch.Tensor) -> Float64Array:
    try:
        output = model(images)
    except Exception as error:  # whatever a network of somebody's own raises
        raise _cannot_run(model, images, error) from error
    if not isinstance(output, torch.Tensor):
        raise ExportFailed(
            f"The network returns a {type(output).__name__}, and one tensor can be proved.", "Return the logits alone."
        )
    if output.ndim < 2 or len(output) != len(images):
        raise _axis_lost(tuple(output.shape), len(images))
    logits: Float64Array = output.double().numpy()
    return logits


def _cannot_run(model: Network, images: torch.Tensor, error: Exception) -> ExportFailed:
    said = first_line(error)
    place = where_it_fails(model, images)
    where = f" in {place}" if place else ""
    if len(images) > 1:
        return ExportFailed(
            f"The network takes one image at a time: a batch of {len(images)} fails{where}: {said}.",
            "Export it without --batch dynamic, or keep the first axis: flatten(1) in place of reshape(1, -1).",
        )
    precision = "double" if images.dtype == torch.float64 else "single"
    return ExportFailed(
        f"The network cannot be computed in {precision} precision; it fails{where}: {said}.",
        "Let it make its tensors of the type of its input (x.new_zeros, dtype=x.dtype).",
    )


def _axis_lost(shape: tuple[int, ...], batch: int) -> ExportFailed:
    images = "one image" if batch == 1 else f"a batch of {batch}"
    remedy = "Keep the first axis: squeeze((2, 3)) in place of squeeze(), flatten(1) in place of reshape(1, -1)"
    return ExportFailed(
        f"For {images} the network's output has shape {shape}, where ({batch}, classes) is expected: somewhere the "
        "axis of the images is lost, as by squeeze() and reshape(1, -1).",
        remedy + ("." if batch == 1 else "; or export it without --batch dynamic."),
    )


def first_line(error: BaseException | str) -> str:
    """What an error or a text says first, without its full stop."""
    lines = str(error).strip().splitlines()
    return lines[0].strip().rstrip(".") if lines else type(error).__name__


def _require_same_again(model: nn.Module, image: Float32Array) -> None:
    """Raise `ExportFailed` for a network that answers one image in two ways: its own error would be no rounding."""
    if not np.array_equal(torch_logits(model, image), torch_logits(model, image)):
        raise ExportFailed(
            "The network gives another answer each time to the same image, so no graph can be proved to equal it.",
            "Take random numbers out of forward: nn.Dropout in place of functional.dropout, no torch.rand.",
        )


def _require_images_matter(answers: Answers) -> None:
    """Raise `ParityError` where all outputs are one number but for rounding."""
    logits = answers.rows[: answers.alone]
    if answers.spread <= np.finfo(np.float32).eps * np.abs(logits).max():
        raise ParityError(
            f"The network's outputs are {logits.flat[0]:.6g} for every class and image, so nothing can be compared.",
            "Nothing was written. Its weights are dead: take an earlier checkpoint, or train again.",
        )


def _hopeless(error: float, amplifier: Amplifier) -> Amplified:
    return Amplified(
        f"The network amplifies rounding so much that nothing can be proved: in single precision it is itself "
        f"{error:.2g} of the outputs' spread away from double precision. It begins in {amplifier.module}.",
        "Nothing was written. Train it, or look for huge weights.",
    )


def _in_double(model: nn.Module) -> Network:
    try:
        return copy.deepcopy(model).double()
    except Exception:  # a network of somebody's own may hold what cannot be copied, such as a scripted function
        return _Lent(model)


class _Lent:
    """A network that works with weights in double precision while it is called, and keeps its own."""

    def __init__(self, model: nn.Module) -> None:
        kept = itertools.chain(model.named_parameters(), model.named_buffers())
        self._weights = {name: tensor.double() if tensor.is_floating_point() else tensor for name, tensor in kept}
        self._model = model

    def __call__(self, images: torch.Tensor) -> Any:
        return torch.func.functional_call(self._model, self._weights, (images,))

    def named_modules(self) -> Iterator[tuple[str, nn.Module]]:
        yield from self._model.named_modules()


def _require_numbers(logits: Sequence[Array], what: str) -> None:
    if not all(np.isfinite(rows).all() for rows in logits):
        raise ParityError(
            f"{what} NaN or infinite on {len(logits)} images.",
            "Nothing was written. Check the checkpoint's weights for NaN or huge values, or train again.",
        )


@contextmanager
def _as_measured(dtype: torch.dtype = torch.float32) -> Iterator[None]:
    """One thread, and `dtype` for the tensors that a network makes on its way.

    Sums split over threads round differently on every machine; the manifest's figures must not.
    """
    threads, usual = torch.get_num_threads(), torch.get_default_dtype()
    torch.set_num_threads(1)
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.set_default_dtype(usual)
