"""What a graph is asked for: its inputs with types and axes, which of them is an image, what is not known yet."""

from dataclasses import dataclass
from typing import Literal

import onnx

from exporters.own_onnx.refusals import NUMPY_TYPES

Axis = int | str | None
"""A size; the name of one that is not known; None for one without a name."""
Layout = Literal["nchw", "nhwc"]

_CHANNELS = (3, 1)
_SMALLEST_SIDE = 4  # in pixels; (1, 3, 3, 3) is anything


@dataclass(frozen=True)
class Input:
    """One input.

    Args:
        name: in the graph.
        dtype: as NumPy calls it.
        axes: its sizes; None where not even their number is known.
    """

    name: str
    dtype: str
    axes: tuple[Axis, ...] | None

    def __str__(self) -> str:
        sizes = "of unknown shape" if self.axes is None else "x".join(str(axis or "?") for axis in self.axes)
        return f"{self.name} {self.dtype} {sizes or 'a single number'}"

    @property
    def has_open_batch(self) -> bool:
        """Whether its first axis may be of any size."""
        return bool(self.axes) and not isinstance(self.axes[0], int) if self.axes is not None else False

    @property
    def shape(self) -> tuple[int, ...] | None:
        """For one sample; None where a size is not known."""
        if self.axes is None:
            return None
        sizes = (1, *self.axes[1:]) if self.has_open_batch else self.axes
        known = tuple(size for size in sizes if isinstance(size, int))
        return known if len(known) == len(sizes) else None

    @property
    def unknown(self) -> tuple[str, ...]:
        """What to call the axes that nobody has said the size of, the batch aside."""
        if self.axes is None:
            return (f"the whole shape of {self.name}",)
        behind = range(int(self.has_open_batch), len(self.axes))
        return tuple(
            f"{self.axes[index] or f'axis {index}'} of {self.name}"
            for index in behind
            if not isinstance(self.axes[index], int)
        )

    @property
    def layout(self) -> Layout | None:
        """Where the channels of an image are; None for what is no image."""
        axes = self.axes or ()
        if len(axes) != 4 or axes[0] not in (1, axes[0] if self.has_open_batch else 1):
            return None
        if self.dtype not in ("float32", "float16", "uint8"):
            return None
        if axes[1] in _CHANNELS and _is_side(axes[2]) and _is_side(axes[3]):
            return "nchw"
        return "nhwc" if axes[3] in _CHANNELS and _is_side(axes[1]) and _is_side(axes[2]) else None

    @property
    def image_shape(self) -> tuple[int, int, int] | None:
        """(C, H, W) of the image that it takes; None where it takes none, or its size is not known."""
        if self.layout is None or self.shape is None:
            return None
        _, one, two, three = self.shape
        return (one, two, three) if self.layout == "nchw" else (three, one, two)


def _is_side(axis: Axis) -> bool:
    return not isinstance(axis, int) or axis >= _SMALLEST_SIDE


def inputs_of(model: onnx.ModelProto) -> tuple[Input, ...]:
    """The inputs that somebody must give; weights that are listed among them are none."""
    weights = {tensor.name for tensor in model.graph.initializer}
    weights |= {tensor.values.name for tensor in model.graph.sparse_initializer}
    return tuple(_input(value) for value in model.graph.input if value.name not in weights)


def _input(value: onnx.ValueInfoProto) -> Input:
    tensor = value.type.tensor_type
    axes = tuple(_axis(axis) for axis in tensor.shape.dim) if tensor.HasField("shape") else None
    return Input(value.name, NUMPY_TYPES[tensor.elem_type], axes)


def _axis(axis: onnx.TensorShapeProto.Dimension) -> Axis:
    if axis.HasField("dim_value") and axis.dim_value > 0:  # some exporters write −1 for what they do not know
        return axis.dim_value
    return axis.dim_param or None
