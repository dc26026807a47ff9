"""Seeded random numbers for inputs that are no images and that nobody gives, by type and by what they pick."""

from collections.abc import Callable, Sequence

import numpy as np
import onnx

from exporters.errors import OnnxRefused
from exporters.own_onnx.given import example
from exporters.own_onnx.index_range import UnknownRange, index_range
from exporters.own_onnx.signature import Input
from exporters.right_answers import Array, Tensors

Draw = Callable[[np.random.Generator], Array]


def random_inputs(model: onnx.ModelProto, inputs: Sequence[Input], count: int, seed: int = 0) -> tuple[Tensors, ...]:
    """So many samples of all inputs: floats from a normal distribution, bytes of all values, rows of the tables there
    are, and zeros and ones for other whole numbers and truth values.

    Raises `OnnxRefused` for sizes that nobody knows, and for an input that picks from what has no known size.
    """
    require_sizes(inputs)
    draws = {one.name: _draw(model, one, inputs) for one in inputs}
    random = np.random.default_rng(seed)
    return tuple({name: draw(random) for name, draw in draws.items()} for _ in range(count))


def require_sizes(inputs: Sequence[Input]) -> None:
    """Raise `OnnxRefused` for axes, other than the batch, of which nobody has said the size."""
    unknown = [axis for one in inputs for axis in one.unknown]
    if unknown:
        raise OnnxRefused(
            f"The file does not say the size of {', '.join(unknown)}.",
            f"Give inputs of the sizes that you want: --inputs inputs.npz, written by {example(inputs)}.",
        )


def _draw(model: onnx.ModelProto, one: Input, inputs: Sequence[Input]) -> Draw:
    shape, dtype = one.shape, np.dtype(one.dtype)
    assert shape is not None, "as `require_sizes` found"
    if dtype.kind == "f":
        return lambda random: random.standard_normal(shape).astype(dtype)
    if dtype.kind == "b":
        return lambda random: random.random(shape) < 0.5
    try:
        rows = index_range(model, one.name)
    except UnknownRange as error:
        raise OnnxRefused(
            f"The whole numbers of {one.name} pick something by {error}, and the graph does not say of how many.",
            f"Give numbers that there are: --inputs inputs.npz, written by {example(inputs)}.",
        ) from error
    if rows is not None:
        return lambda random: random.integers(0, rows, shape).astype(dtype)
    lowest, highest = (np.iinfo(dtype).min, np.iinfo(dtype).max) if dtype.itemsize == 1 else (0, 1)
    return lambda random: random.integers(lowest, highest, shape, endpoint=True).astype(dtype)
