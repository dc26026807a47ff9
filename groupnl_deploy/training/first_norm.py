"""With which mean and std was a network trained? Its first BatchNorm remembers how strong its inputs were.

The stem's outputs scale with 1 / std, so their variances on photographs are off from the recorded ones by one factor
where the wrong std is assumed: 4.8 between ImageNet's and 0.5, 4 between 0.5 and 1. Two photographs are no data set,
so this speaks only where one of the usual choices fits and the assumed one does not, and it decides nothing.

What it cannot tell is a network from its twin with other padding or epsilon: over all BatchNorms of a network, those of
TensorFlow's variants were found to fit now one and now the other.
"""

import math

import torch
from torch import Tensor, nn

from groupnl_deploy.images.bench_images import bench_images
from groupnl_deploy.images.dataset import PerChannel
from groupnl_deploy.images.preprocessing import IMAGENET_MEAN, IMAGENET_STD, as_input
from groupnl_deploy.models.spec import ModelSpec

_CHANNELS, _LEAST_PIXELS, _PHOTOGRAPHS = 3, 64, 8
# Of the median logarithm of recorded over seen variances.
FITS, MISFITS = 0.6, 0.9
USUAL: dict[str, tuple[PerChannel, PerChannel]] = {
    "ImageNet's": (IMAGENET_MEAN, IMAGENET_STD),
    "pixels from -1 to 1": ((0.5,) * 3, (0.5,) * 3),
    "pixels from 0 to 1": ((0.0,) * 3, (1.0,) * 3),
    "pixels from 0 to 255": ((0.0,) * 3, (1 / 255,) * 3),
}


class _Seen(Exception):
    """The first BatchNorm has its input; the rest of the network is of no interest."""


def better_preparation(model: nn.Module, spec: ModelSpec, mean: PerChannel, std: PerChannel) -> str | None:
    """A sentence, without its full stop, where a usual mean and std fit far better than these; else None.

    Args:
        model: in evaluation mode, with the weights and statistics of the file.
        spec: of it; only networks for photographs in colour are judged.
        mean: as assumed, per channel.
        std: likewise.
    """
    if spec.input_shape[0] != _CHANNELS or min(spec.input_shape[1:]) < _LEAST_PIXELS:
        return None
    photographs = torch.tensor(bench_images(None, spec.input_shape, _PHOTOGRAPHS).images)
    off = {name: _off(model, as_input(photographs, *usual)) for name, usual in USUAL.items()}
    best = min(off, key=lambda name: abs(off[name]))
    same = next((name for name, usual in USUAL.items() if usual == (tuple(mean), tuple(std))), None)
    assumed = abs(off[same] if same else _off(model, as_input(photographs, mean, std)))
    if not (abs(off[best]) <= FITS and MISFITS <= assumed < math.inf):
        return None
    said = " ".join(
        f"--{option} {_written(values)}" for option, values in zip(("mean", "std"), USUAL[best], strict=True)
    )
    return (
        f"the variances of its first BatchNorm fit {best} better ({said}): on photographs they are off by a factor of "
        f"{math.exp(abs(off[best])):.2g} so, and of {math.exp(assumed):.2g} as assumed"
    )


def _written(values: PerChannel) -> str:
    """As behind an option; one number where all are the same."""
    return ",".join(f"{value:.6g}" for value in (values if len(set(values)) > 1 else values[:1]))


@torch.no_grad()
def _off(model: nn.Module, images: Tensor) -> float:
    """Median over channels of log(variance seen / variance recorded); infinite where there is nothing to compare."""
    norm = next((module for module in model.modules() if isinstance(module, nn.BatchNorm2d)), None)
    if norm is None or norm.running_var is None:
        return math.inf
    maps = _input_of(norm, model, images)
    if maps is None:
        return math.inf
    ratio = (maps.var((0, 2, 3)) + norm.eps) / (norm.running_var + norm.eps)
    return float(ratio.log().median())


def _input_of(norm: nn.Module, model: nn.Module, images: Tensor) -> Tensor | None:
    seen: list[Tensor] = []

    def stop(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        seen.append(inputs[0])
        raise _Seen

    handle = norm.register_forward_pre_hook(stop)
    try:
        model(images)
    except _Seen:
        pass
    finally:
        handle.remove()
    return seen[0] if seen else None
