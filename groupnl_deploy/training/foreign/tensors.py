"""Records of tensors → tensors: views of the mapped file, once what they say lies within it."""

import torch
from torch import Tensor

from groupnl_deploy.pickles import arrays
from groupnl_deploy.pickles.inert import NumberArray, TensorView
from groupnl_deploy.pickles.machine import Malformed
from groupnl_deploy.training.foreign.content import Content
from groupnl_deploy.training.foreign.names import STORAGES


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
    """NumPy's array as a tensor. Raises `Malformed`."""
    numbers = arrays.array_of(array)
    own = numbers if numbers.flags.writeable else numbers.copy()
    return torch.from_numpy(own.astype(own.dtype.newbyteorder("="), copy=False))
