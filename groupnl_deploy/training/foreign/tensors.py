"""Records of tensors → tensors: views of the mapped file, once what they say lies within it."""

import math
import re

import numpy as np
import torch
from torch import Tensor

from groupnl_deploy.pickles.inert import NumberArray, TensorView, Words
from groupnl_deploy.pickles.machine import Malformed
from groupnl_deploy.training.foreign.content import Content
from groupnl_deploy.training.foreign.names import STORAGES

_ARRAYS = re.compile(r"f[248]|[iu][1248]|b1|c8|c16")


def tensor_of(view: TensorView, content: Content) -> Tensor:
    """A tensor over the file's own bytes. Raises `Malformed` where they are not there."""
    held, bytes_each = STORAGES[view.storage.kind]
    dtype = getattr(torch, view.dtype or held)
    if not isinstance(dtype, torch.dtype):
        raise Malformed(f"a tensor of {view.dtype}")
    start, length = content.places[view.storage.key]
    start, length = start + view.storage.start * bytes_each, length - view.storage.start * bytes_each
    available = min(length, view.storage.count * bytes_each) // dtype.itemsize
    if 0 in view.shape:
        return torch.empty(view.shape, dtype=dtype)
    last = view.offset + sum((size - 1) * step for size, step in zip(view.shape, view.stride, strict=True))
    if last >= available:
        raise Malformed("a tensor that is longer than its storage")
    return _numbers(content.bytes, start, last + 1, dtype).as_strided(view.shape, view.stride, view.offset)


def _numbers(data: memoryview, start: int, count: int, dtype: torch.dtype) -> Tensor:
    if start % dtype.itemsize == 0:
        return torch.frombuffer(data, dtype=dtype, count=count, offset=start)
    aligned = bytearray(data[start : start + count * dtype.itemsize])
    return torch.frombuffer(aligned, dtype=dtype)


def array_of(array: NumberArray) -> Tensor:
    """NumPy's array as a tensor: of numbers alone, and of as many bytes as its shape says. Raises `Malformed`."""
    word = array.type.word.lstrip("<>=|") if array.type else ""
    if array.type is None or not _ARRAYS.fullmatch(word) or array.type.order not in "<>=|":
        raise Malformed(f"an array of {word or 'nothing'}, which is no number")
    raw = array.raw.data if isinstance(array.raw, Words) else array.raw
    if not isinstance(raw, bytes | bytearray) or len(raw) != math.prod(array.shape) * int(word[1:]):
        raise Malformed("an array with other bytes than its shape says")
    kind = np.dtype(f"{array.type.order}{word}")
    numbers = np.frombuffer(raw if isinstance(raw, bytearray) else bytearray(raw), kind)
    shaped = numbers.reshape(array.shape, order="F" if array.by_columns else "C")
    return torch.from_numpy(shaped.astype(kind.newbyteorder("="), copy=False))
