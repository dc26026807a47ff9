"""Inputs that somebody gives in an .npz file, by name, with or without an axis of samples. Nothing is unpickled."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from exporters.errors import OnnxRefused
from exporters.own_onnx.signature import Input
from exporters.right_answers import Array, Tensors

MOST_SAMPLES = 64
"""Of a file; what is behind them is left out. A proof needs no more, and each is computed five times."""


def example(inputs: Sequence[Input]) -> str:
    """The line of Python that writes inputs of these names, types and sizes."""
    arrays = ", ".join(f"{one.name!r}: numpy.{_ones(one)}" for one in inputs)
    return f"numpy.savez('inputs.npz', **{{{arrays}}})"


def _ones(one: Input) -> str:
    if one.axes is None:
        return f"ones((…), {one.dtype!r})"
    axes = (1, *one.axes[1:]) if one.has_open_batch else one.axes
    sizes = ", ".join(str(axis or "…") for axis in axes)
    return f"ones(({sizes}{',' if len(axes) == 1 else ''}), {one.dtype!r})"


def read_inputs(path: Path, inputs: Sequence[Input]) -> tuple[Tensors, ...]:
    """The samples of a file, each as the graph takes it.

    Raises `OnnxRefused` for a file that is none, and for names, types and shapes that are not the graph's.
    """
    arrays = _arrays(path, inputs)
    found = {one.name: _samples(path, one, arrays[one.name]) for one in inputs}
    counts = {name: len(samples) for name, samples in found.items() if len(samples) > 1}
    if len(set(counts.values())) > 1:
        said = ", ".join(f"{name} {count}" for name, count in counts.items())
        raise OnnxRefused(f"The inputs in {path} are of different numbers of samples: {said}.", "Give as many of each.")
    count = min(max(counts.values(), default=1), MOST_SAMPLES)
    return tuple({name: samples[index % len(samples)] for name, samples in found.items()} for index in range(count))


def _arrays(path: Path, inputs: Sequence[Input]) -> dict[str, Array]:
    remedy = f"{example(inputs)} writes such a file."
    if not path.is_file():
        raise OnnxRefused(f"{path} does not exist or is no file.", remedy)
    try:
        with np.load(path, allow_pickle=False) as archive:
            found = {name: archive[name] for name in archive.files}
    except MemoryError:
        raise
    except Exception as error:  # a header is Python text, and NumPy raises whatever its parser meets
        raise OnnxRefused(f"{path} is no .npz file of plain numbers.", remedy) from error
    missing = [one.name for one in inputs if one.name not in found]
    if missing:
        raise OnnxRefused(f"{path} lacks {', '.join(missing)}; it has {', '.join(found) or 'nothing'}.", remedy)
    more = sorted(set(found) - {one.name for one in inputs})
    if more:
        raise OnnxRefused(
            f"{path} has {', '.join(more)}, and the graph has no such input.",
            f"Its inputs: {', '.join(map(str, inputs))}.",
        )
    return found


def _samples(path: Path, one: Input, array: Array) -> list[Array]:
    """One array a sample."""
    if str(array.dtype) != one.dtype:
        raise OnnxRefused(
            f"{one.name} in {path} is {array.dtype}, and the graph takes {one.dtype}.",
            f"Convert it where you write it: array.astype({one.dtype!r}).",
        )
    if 0 in array.shape:
        raise OnnxRefused(
            f"{one.name} in {path} has an axis of size 0, so it holds nothing.", "Give one sample at least."
        )
    if one.axes is None:
        return [array]
    if array.ndim == len(one.axes) + 1 and all(_fits(row, one) for row in array):
        return list(array)
    if array.ndim == len(one.axes) and array.ndim and (one.has_open_batch or one.axes[0] == 1):
        rows = [array[index : index + 1] for index in range(len(array))]
        if all(_fits(row, one) for row in rows):
            return rows
    if _fits(array, one):
        return [array]
    raise OnnxRefused(
        f"{one.name} in {path} has shape {array.shape}, and the graph takes {one}.",
        "Give it so, or with one more axis of samples before: (samples, …).",
    )


def _fits(array: Array, one: Input) -> bool:
    axes = one.axes or ()
    wanted = (1, *axes[1:]) if one.has_open_batch else axes
    return array.ndim == len(axes) and all(
        not isinstance(axis, int) or axis == size for axis, size in zip(wanted, array.shape, strict=True)
    )
