"""How ONNX Runtime stores the filters of convolutions in blocks of channels, and back.

A tensor keeps its shape, with the channels rounded up to whole blocks; what pads them is zero. Only the order of the
numbers is another (MLAS, `MlasReorderFilterOIHWBiBo` and `MlasReorderFilterOIHWBo`).
"""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]


def padded(count: int, block: int) -> int:
    """So many channels, rounded up to whole blocks."""
    return -(-count // block) * block


def pad_axis(array: Floats, axis: int, size: int) -> Floats:
    """The array with zeros behind it on one axis, so that it has this size there."""
    more = [(0, 0)] * array.ndim
    more[axis] = (0, size - array.shape[axis])
    return np.pad(array, more)


def in_and_out_blocks(weight: Floats, block: int) -> Floats:
    """(O, I, kh, kw) → [O/block][I/block][kh][kw][block of I][block of O], for images in blocks."""
    outs, ins = padded(weight.shape[0], block), padded(weight.shape[1], block)
    whole = pad_axis(pad_axis(weight, 0, outs), 1, ins)
    height, width = weight.shape[2:]
    six = whole.reshape(outs // block, block, ins // block, block, height, width)
    return np.ascontiguousarray(six.transpose(0, 2, 4, 5, 3, 1)).reshape(outs, ins, height, width)


def out_blocks(weight: Floats, block: int) -> Floats:
    """(O, I, kh, kw) → [O/block][I][kh][kw][block of O], for plain images, and for one filter a channel (I = 1)."""
    outs, (ins, height, width) = padded(weight.shape[0], block), weight.shape[1:]
    five = pad_axis(weight, 0, outs).reshape(outs // block, block, ins, height, width)
    return np.ascontiguousarray(five.transpose(0, 2, 3, 4, 1)).reshape(outs, ins, height, width)


def from_in_and_out_blocks(stored: Floats, block: int) -> Floats:
    """The inverse of `in_and_out_blocks`, but for the zeros that pad."""
    outs, ins, height, width = stored.shape
    six = stored.reshape(outs // block, ins // block, height, width, block, block)
    return np.ascontiguousarray(six.transpose(0, 5, 1, 4, 2, 3)).reshape(stored.shape)


def from_out_blocks(stored: Floats, block: int) -> Floats:
    """The inverse of `out_blocks`, but for the zeros that pad."""
    outs, ins, height, width = stored.shape
    five = stored.reshape(outs // block, ins, height, width, block)
    return np.ascontiguousarray(five.transpose(0, 4, 1, 2, 3)).reshape(stored.shape)


def apart_order(seeds: int, inputs: int, block: int) -> list[int]:
    """Where each channel before a sparse GroupNL layer comes from, if the inputs of its seed maps lie `apart`.

    Seed map i reads the channels i·inputs + j. For whole blocks of seed maps all their j-th inputs stand together, a
    block of their own; the channels of what is left of the seed maps keep their places.
    """
    whole = seeds // block * block
    blocks = np.arange(whole * inputs).reshape(whole // block, block, inputs).transpose(0, 2, 1)
    return [*blocks.reshape(-1).tolist(), *range(whole * inputs, seeds * inputs)]
