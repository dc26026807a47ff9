"""Networks: built by name, trained, kept in a folder and had from it again."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from groupnl_deploy.errors import UsageError
from groupnl_deploy.images.datasets import load_dataset
from groupnl_deploy.images.source import DataSource
from groupnl_deploy.models.registry import create_model, model_spec
from groupnl_deploy.models.spec import ModelSpec
from groupnl_deploy.progress import Reporter, Silence
from groupnl_deploy.training.checkpoint import CheckpointDraft, ImportedFrom, initialise_checkpoint, save_checkpoint
from groupnl_deploy.training.checkpoint import load_model as load_checkpoint_model
from groupnl_deploy.training.files import tensor_bytes
from groupnl_deploy.training.recipe import Recipe
from groupnl_deploy.training.train import train_checkpoint
from groupnl_deploy.workspace import sha256_hex


@dataclass(frozen=True, eq=False)
class Network:
    """A network with its weights, and what is known of it.

    Args:
        module: takes (N, C, H, W) images, prepared, to (N, classes) logits. Train it by any program of yours.
        about: its specification, how pixels become its input, whether and on what it was trained.
    """

    module: nn.Module
    about: CheckpointDraft

    @property
    def spec(self) -> ModelSpec:
        """What it is, as plain data."""
        return self.about.spec

    def __call__(self, images: Tensor) -> Tensor:
        """(N, classes) logits of prepared images, (N, C, H, W)."""
        logits: Tensor = self.module(images)
        return logits

    def __str__(self) -> str:
        count = sum(parameter.numel() for parameter in self.module.parameters())
        shape = "x".join(map(str, self.spec.input_shape))
        accuracy = "" if self.about.accuracy is None else f" to {100 * self.about.accuracy:.2f} %"
        state = f"trained{accuracy}" if self.about.trained else "untrained"
        return f"{self.spec.label}, {shape} to {self.spec.num_classes} classes, {count:,} parameters, {state}"

    __repr__ = __str__


def build_network(
    name: str, conv: str | None = None, *, semantics: Any = "released", data: DataSource | None = None, **about: Any
) -> Network:
    """A network by its name or alias, with random weights.

    Args:
        name: one of `groupnl models list`.
        conv: its convolution; left out, an alias says it, and any other name keeps its own.
        semantics: of GroupNL, "released" or "paper".
        data: images that it shall take and tell apart; their shape and number of classes become its own.
        about: knobs of the convolution, such as `ratio=4`, and fields of `ModelSpec`, such as `width=0.25`,
            `num_classes=5`, `input_shape=(3, 64, 64)`, `seed=1`.

    Raises `UsageError` or `InvalidSpec` for what cannot be.
    """
    from groupnl_deploy.models.knobs import KNOBS

    dataset = None if data is None else load_dataset(data)
    if dataset is not None:
        about = {"num_classes": dataset.num_classes, "input_shape": dataset.input_shape} | about
    knobs = {key: about.pop(key) for key in tuple(about) if key in KNOBS}
    draft, module = initialise_checkpoint(model_spec(name, conv, semantics, knobs=knobs, **about), dataset)
    return Network(module, draft)


def train_network(
    network: Network,
    data: DataSource,
    out: Path | str,
    recipe: Recipe | None = None,
    reporter: Reporter | None = None,
) -> Network:
    """Train a network of this specification from its first weights on, and keep its checkpoint folder.

    An interrupted training goes on where it stopped when it is asked for again. The given network stays as it is.

    Args:
        network: what to train; its own weights are not read.
        data: the images.
        out: the folder to write; it must not exist.
        recipe: how; None is the usual one.
        reporter: told of the progress.
    """
    train_checkpoint(network.spec, recipe or Recipe(), data, Path(out), reporter or Silence())
    return load_network(out)


def save_network(
    network: Network, out: Path | str, *, mean: tuple[float, ...] = (), std: tuple[float, ...] = ()
) -> Path:
    """Keep a network in a new checkpoint folder, which export, push and bench take.

    Weights that are no longer those of its seed were trained by the caller: on what and how well is not known here,
    and that is what the checkpoint says.

    Args:
        network: the network; its module has the weights.
        out: the folder to write; it must not exist.
        mean: of pixels from 0 to 1, per channel, if not the network's own.
        std: likewise.
    """
    about = replace(network.about, mean=mean or network.about.mean, std=std or network.about.std)
    if len(about.mean) != len(about.std) or len(about.mean) != network.spec.input_shape[0]:
        raise UsageError("Mean and std have not one number for each channel.", "Give both, one number a channel.")
    save_checkpoint(Path(out), _as_it_is(replace(network, about=about)), network.module)
    return Path(out)


def load_network(folder: Path | str) -> Network:
    """The network in a checkpoint folder, in evaluation mode. Raises `UsageError`, `VerificationFailed`."""
    checkpoint, module = load_checkpoint_model(Path(folder))
    known = {name: getattr(checkpoint, name) for name in CheckpointDraft.__dataclass_fields__}
    return Network(module, CheckpointDraft(**known))


def _as_it_is(network: Network) -> CheckpointDraft:
    """What can be said of weights that anybody may have changed since the network was made."""
    state = network.module.state_dict()
    fresh = create_model(network.spec).state_dict()
    if fresh.keys() == state.keys() and all(bool((fresh[key] == state[key]).all()) for key in fresh):
        return replace(network.about, trained=False, accuracy=None, recipe=None, epoch=0, epochs=0, imported=None)
    origin = ImportedFrom(file="memory", sha256=sha256_hex(tensor_bytes(state)), weights="raw")
    assumed = ("it was trained by another program, in memory; on which images and how well is not known",)
    about = replace(network.about, trained=True, data=None, accuracy=None, recipe=None, epoch=0, epochs=0)
    return replace(about, imported=origin, assumed=assumed)
