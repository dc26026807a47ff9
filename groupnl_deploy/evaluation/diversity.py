"""How many different maps GroupNL's functions make of the seed maps, on real images, layer by layer."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import fmean

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from groupnl_deploy.errors import UsageError
from groupnl_deploy.evaluation.checkpoint import load_trained
from groupnl_deploy.images.bench_images import spread
from groupnl_deploy.images.dataset import gather
from groupnl_deploy.images.preprocessing import as_input
from groupnl_deploy.models.layers.groupnl import GroupNLConv2d
from groupnl_deploy.progress import Reporter
from groupnl_deploy.training.own_images import own_images

Covariance = npt.NDArray[np.float64]


@dataclass(frozen=True)
class LayerDiversity:
    """Of one GroupNL layer.

    Args:
        name: of the layer.
        seeds: its seed maps.
        outputs: all of its maps.
        seed_rank: the effective rank of the seed maps, from 1 to `seeds`.
        output_rank: that of all maps, from 1 to `outputs`.
    """

    name: str
    seeds: int
    outputs: int
    seed_rank: float
    output_rank: float

    @property
    def gain(self) -> float:
        """How many times as diverse all maps are as the seeds; r at the most would be that of new ones."""
        return self.output_rank / self.seed_rank


@dataclass(frozen=True)
class Diversity:
    """Of a trained network: its label, function and accuracy, how many images it was shown, and its layers."""

    label: str
    nlf: str
    accuracy: float | None
    images: int
    layers: tuple[LayerDiversity, ...]

    @property
    def seed_share(self) -> float:
        """The effective rank of the seeds over their number, a mean over the layers."""
        return fmean(one.seed_rank / one.seeds for one in self.layers)

    @property
    def output_share(self) -> float:
        """That of all maps over their number."""
        return fmean(one.output_rank / one.outputs for one in self.layers)

    @property
    def gain(self) -> float:
        """A mean over the layers."""
        return fmean(one.gain for one in self.layers)


def diversity_of(folder: Path, path: str | None, images: int, reporter: Reporter) -> Diversity:
    """Show a checkpoint some of its test images, and look at what its GroupNL layers give.

    Args:
        folder: of the checkpoint.
        path: where its data set lies, for one that lies in a folder.
        images: how many of the test images, spread evenly.
        reporter: told of images that are loaded.

    Raises `UsageError` for random weights, a network without GroupNL, and images that are not at hand.
    """
    checkpoint, model = load_trained(folder)
    if not any(isinstance(layer, GroupNLConv2d) for layer in model.modules()):
        raise UsageError(
            f"{folder} is {checkpoint.spec.label}, which has no GroupNL layer.", "Name a checkpoint of GroupNL."
        )
    data = own_images(folder, checkpoint, reporter, path)
    chosen = spread(len(data.test), images)
    pixels = gather(data.test, chosen, data.input_shape)
    with reporter.task(f"look at {checkpoint.spec.label}"):
        layers = layers_of(model, as_input(pixels, checkpoint.mean, checkpoint.std))
    spec = checkpoint.spec
    return Diversity(spec.label, spec.conv.nlf, checkpoint.accuracy, len(chosen), layers)


def layers_of(model: nn.Module, inputs: Tensor) -> tuple[LayerDiversity, ...]:
    """Every GroupNL layer of a network in evaluation mode, in the order in which they are computed.

    Args:
        model: the network.
        inputs: (N, C, H, W), all at once.
    """
    found = list[LayerDiversity]()

    def look(name: str, layer: nn.Module, given: Sequence[Tensor], maps: Tensor) -> None:
        assert isinstance(layer, GroupNLConv2d)
        seeds, covariance = layer.seed_channels, covariance_of(maps)
        ranks = effective_rank(covariance[:seeds, :seeds]), effective_rank(covariance)
        found.append(LayerDiversity(name, seeds, len(covariance), *ranks))

    layers = [(name, layer) for name, layer in model.named_modules() if isinstance(layer, GroupNLConv2d)]
    hooks = [layer.register_forward_hook(partial(look, name)) for name, layer in layers]
    try:
        with torch.inference_mode():
            model(inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return tuple(found)


def covariance_of(maps: Tensor) -> Covariance:
    """float64 (C, C) of maps (N, C, H, W), over images and pixels."""
    rows = maps.double().transpose(0, 1).flatten(1)
    return np.atleast_2d(torch.cov(rows, correction=0).numpy())


def effective_rank(covariance: Covariance) -> float:
    """exp of the entropy of the normalised singular values of the centred maps (Roy and Vetterli, EUSIPCO 2007).

    1 where all maps are multiples of one, C where they are uncorrelated and alike in size. Maps without any change
    count as one.
    """
    values = np.sqrt(np.clip(np.linalg.eigvalsh(covariance), 0, None))
    if not values.sum():
        return 1.0
    shares = values[values > 0] / values.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))
