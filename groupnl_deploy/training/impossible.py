"""States of weights that no training leaves: what a network with them computes is not what anybody trained.

Each check names the tensors. A BatchNorm's count of batches is left alone: nothing is computed with it.
"""

import math
from collections.abc import Iterable, Iterator, Mapping

import torch
from torch import Tensor

from groupnl_deploy.errors import UsageError
from groupnl_deploy.words import first_few

COUNTER = "num_batches_tracked"
VARIANCE, MEAN = ".running_var", ".running_mean"
MOST_LISTED = 8
_FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def require_possible(what: object, tensors: Mapping[str, Tensor]) -> None:
    """Raise `UsageError` for weights that are no ordinary floats, for numbers that are none, and for BatchNorms with
    variances below zero or of none.

    Args:
        what: the file or folder, for the message.
        tensors: by key, on the CPU.
    """
    weights = {key: tensor for key, tensor in tensors.items() if not key.endswith(COUNTER)}
    strange = [key for key, tensor in weights.items() if not _is_plain_float(tensor)]
    if strange:
        kinds = sorted({str(weights[key].dtype) for key in strange})
        raise UsageError(
            f"{what} has weights that are no ordinary floats ({', '.join(kinds)}): {some(strange)}.",
            "Import the weights from before they were quantized or converted.",
        )
    _require_finite(what, weights)
    _require_variances(what, weights)


def looks_untouched(tensors: Mapping[str, Tensor]) -> bool:
    """Whether every BatchNorm still has the statistics it was made with: mean 0 and variance 1 in every channel."""
    fresh = {VARIANCE: 1.0, MEAN: 0.0}
    statistics = [(tensor, fresh[end]) for key, tensor in tensors.items() for end in fresh if key.endswith(end)]
    return bool(statistics) and all(bool((tensor == value).all()) for tensor, value in statistics)


def _is_plain_float(tensor: Tensor) -> bool:
    return tensor.dtype in _FLOATS and tensor.layout is torch.strided and tensor.device.type == "cpu"


def _require_finite(what: object, weights: Mapping[str, Tensor]) -> None:
    farthest = {key: _farthest(tensor) for key, tensor in weights.items()}
    broken = [key for key, value in farthest.items() if not math.isfinite(value)]
    if broken:
        raise UsageError(
            f"{what} has weights that are NaN or infinite: {some(broken)}.",
            "The training had diverged or the file is damaged; take an earlier checkpoint of it.",
        )
    huge = [key for key, value in farthest.items() if value > torch.finfo(torch.float32).max]
    if huge:
        raise UsageError(
            f"{what} has weights beyond the range of float32, in which they are kept: {some(huge)}.",
            "Scale them down where they come from, or take an earlier checkpoint.",
        )


def _farthest(tensor: Tensor) -> float:
    """The number farthest from zero; NaN where there is one. Nothing of the tensor's size is made on the way."""
    if not tensor.numel():
        return 0.0
    low, high = torch.aminmax(tensor)
    return max(abs(float(low)), abs(float(high)))


def _require_variances(what: object, weights: Mapping[str, Tensor]) -> None:
    negative = list(_below_zero(weights))
    if negative:
        raise UsageError(
            f"{what} has variances below zero: {some(negative)}.",
            "No mean of squares is negative: the file is damaged or was computed on. Take it from before that.",
        )
    empty = list(_without_variance(weights))
    if empty:
        raise UsageError(
            f"{what} has BatchNorms that saw no variance in any channel: {some(empty)}.",
            "They were not written, or the network had died. Take an earlier checkpoint of it.",
        )


def _below_zero(weights: Mapping[str, Tensor]) -> Iterator[str]:
    for key, tensor in weights.items():
        count = int((tensor < 0).sum()) if key.endswith(VARIANCE) else 0
        if count:
            yield f"{key} ({count} of {tensor.numel()}, the least {float(tensor.min()):.3g})"


def _without_variance(weights: Mapping[str, Tensor]) -> Iterator[str]:
    """Layers of no variance whose mean is not zero; all of them where no layer of the network has any.

    A channel whose filter was pruned away has neither mean nor variance, and a whole layer may be such.
    """
    variances = {key: tensor for key, tensor in weights.items() if key.endswith(VARIANCE)}
    dead = [key for key, tensor in variances.items() if not bool(tensor.any())]
    for key in dead:
        mean = weights.get(key.removesuffix(VARIANCE) + MEAN)
        if len(dead) == len(variances) or (mean is not None and bool(mean.any())):
            yield key


def some(keys: Iterable[str]) -> str:
    """The first few of many, and how many more."""
    return first_few(list(keys), MOST_LISTED)
