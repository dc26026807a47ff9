"""Pictures in class folders, a thin network that was trained on them, and what was made of it."""

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest

from exporters.options import ExportOptions
from groupnl_deploy.export import export_checkpoint
from groupnl_deploy.images.source import DataSource
from groupnl_deploy.models.spec import ConvSpec, ModelSpec
from groupnl_deploy.progress import Silence
from groupnl_deploy.training.checkpoint import load_checkpoint
from groupnl_deploy.training.recipe import Recipe
from groupnl_deploy.training.train import train_checkpoint
from tests.evaluation.pictures import SIDE, draw


class Net(NamedTuple):
    pictures: Path
    checkpoint: Path


@pytest.fixture(scope="session")
def net(tmp_path_factory) -> Net:
    folder = tmp_path_factory.mktemp("evaluated")
    pictures, out = draw(folder / "pictures", 20), folder / "net"
    spec = ModelSpec("vgg11_cifar", ConvSpec("standard"), width=0.125, num_classes=3, input_shape=(3, SIDE, SIDE))
    recipe = Recipe(epochs=4, batch_size=8, augmentation="crop_flip_jitter")
    train_checkpoint(spec, recipe, DataSource("folder", str(pictures), spec.input_shape), out, Silence(), workers=0)
    return Net(pictures, out)


class Artifacts(dict):
    """The folder of an artifact of the network by format and batch, made when it is asked for."""

    def __init__(self, net):
        self._net = net

    def __missing__(self, kind):
        format, batch = kind
        out = self._net.checkpoint.with_name(f"{format}-{batch}")
        export_checkpoint(self._net.checkpoint, out, format, replace(ExportOptions(), batch=batch))
        self[kind] = out
        return out


@pytest.fixture(scope="session")
def artifacts(net):
    return Artifacts(net)


@pytest.fixture
def record(net):
    return load_checkpoint(net.checkpoint)
