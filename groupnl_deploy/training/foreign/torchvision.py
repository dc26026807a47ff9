"""torchvision's names of a network's layers → those here, by the order in which the layers stand.

torchvision numbers the layers of its MobileNets and EfficientNets ("features.2.conv.1.0"), in the order in which an
image meets them; the networks here name theirs in the same order. Two lists of layers that agree one by one in what
they keep are one network. `tests/data/make_torchvision_reference.py` has torchvision's own answers.
"""

from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Any

from torch import Size, Tensor

# By these keys such a network is found, whatever stands before them.
STEM = ("features.0.0.weight", "features.0.1.weight", "features.0.1.running_var")
# The networks here that torchvision has too: its name, and the ε of BatchNorm where it has another than PyTorch's own.
NETWORKS: dict[str, tuple[str, float | None]] = {
    "mobilenetv2_100": ("mobilenet_v2", None),
    "mobilenetv3_large_100": ("mobilenet_v3_large", 1e-3),
    "efficientnetv2_s": ("efficientnet_v2_s", 1e-3),
}
_FEATURES, _CLASSIFIER, _COUNTER = "features", "classifier.", "num_batches_tracked"


def is_torchvisions(keys: Iterable[str]) -> bool:
    """Whether these are keys of a MobileNet or an EfficientNet of torchvision's."""
    return set(STEM) <= set(keys)


def translated(tensors: Mapping[str, Tensor], wanted: Mapping[str, Size]) -> dict[str, Tensor] | None:
    """The same tensors by the keys of a network here; None where its layers are others.

    Args:
        tensors: by torchvision's keys; a classifier may be missing.
        wanted: keys and shapes of the network, in its own order.
    """
    theirs, ours = _layers(sorted(tensors, key=_order)), _layers(wanted)
    if len(theirs) == len(ours) - 1 and not any(name.startswith(_CLASSIFIER) for name, _ in theirs):
        ours = ours[:-1]
    if [leaves for _, leaves in theirs] != [leaves for _, leaves in ours]:
        return None
    names = {their: our for (their, _), (our, _) in zip(theirs, ours, strict=True)}
    renamed = {_renamed(key, names): tensor for key, tensor in tensors.items()}
    return {key: _shaped(tensor, wanted.get(key)) for key, tensor in renamed.items()}


def _renamed(key: str, names: Mapping[str, str]) -> str:
    layer, _, leaf = key.rpartition(".")
    return f"{names[layer]}.{leaf}"


def _layers(keys: Iterable[str]) -> list[tuple[str, frozenset[str]]]:
    """Each layer's name and what it keeps, in order; BatchNorm's counters, which old files lack, aside."""
    counted = [key.rpartition(".")[::2] for key in keys]
    return [
        (layer, frozenset(leaf for _, leaf in group if leaf != _COUNTER))
        for layer, group in groupby(counted, key=lambda pair: pair[0])
    ]


def _order(key: str) -> tuple[Any, ...]:
    """As an image meets them: numbers by size, the features before the classifier."""
    parts = key.split(".")
    numbered = tuple((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts[1:-1])
    return (parts[0] != _FEATURES, parts[0], numbered, parts[-1])


def _shaped(tensor: Tensor, shape: Size | None) -> Tensor:
    """A linear layer is a convolution of one pixel in MobileNetV3's head here."""
    if shape is not None and len(shape) == 4 and tensor.ndim == 2:
        return tensor[:, :, None, None]
    return tensor
