"""Networks: built by name or of a module, trained, kept in a folder and had from it again."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from groupnl_deploy.api.said import require_known, source_of, speaking
from groupnl_deploy.api.wrapped import origin_of
from groupnl_deploy.errors import UsageError
from groupnl_deploy.evaluation.evaluate import Evaluated, evaluate_folder
from groupnl_deploy.images.datasets import load_dataset
from groupnl_deploy.images.source import DataSource, Shape
from groupnl_deploy.models.knobs import KNOBS
from groupnl_deploy.models.own import CodeNotLoaded
from groupnl_deploy.models.registry import model_spec
from groupnl_deploy.models.spec import ConvSpec, ModelSpec
from groupnl_deploy.own_code.load import load_code
from groupnl_deploy.own_code.network import tried
from groupnl_deploy.own_code.spec import own_network
from groupnl_deploy.progress import Reporter, Silence
from groupnl_deploy.training.checkpoint import CheckpointDraft, ImportedFrom, initialise_checkpoint, save_checkpoint
from groupnl_deploy.training.checkpoint import load_model as load_checkpoint_model
from groupnl_deploy.training.files import tensor_bytes
from groupnl_deploy.training.recipe import Recipe
from groupnl_deploy.training.recipe_changes import RecipeChanges, recipe_for
from groupnl_deploy.training.train import train_checkpoint
from groupnl_deploy.workspace import sha256_hex

_OF_SPEC = ("width", "num_classes", "input_shape", "seed", "padding", "bn_eps", "widths")


@dataclass(frozen=True, eq=False)
class Network:
    """A network with its weights, and what is known of it.

    Args:
        module: takes (N, C, H, W) images, prepared, to (N, classes) logits. Train it by any program of yours.
        about: its specification, how pixels become its input, whether and on what it was trained.
        sha256: of the weights that `about` speaks of.
    """

    module: nn.Module
    about: CheckpointDraft
    sha256: str

    @classmethod
    def as_it_is(cls, module: nn.Module, about: CheckpointDraft) -> "Network":
        """One whose weights nobody has changed yet."""
        return cls(module, about, _digest(module))

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
        accuracy += " on the test images that picked its epoch" if self.about.picked else ""
        state = f"trained{accuracy}" if self.about.trained else "untrained"
        return f"{self.spec.label}, {shape} to {self.spec.num_classes} classes, {count:,} parameters, {state}"

    __repr__ = __str__


@speaking
def build_network(
    name: str,
    conv: str | None = None,
    *,
    semantics: Any = "released",
    data: DataSource | str | None = None,
    **about: Any,
) -> Network:
    """A network by its name or alias, with random weights.

    Args:
        name: one of `groupnl models list`; or "net.py:net", a function in a file of yours, which is run.
        conv: its convolution; left out, an alias says it, and any other name keeps its own.
        semantics: of GroupNL, "released" or "paper".
        data: images that it shall take and tell apart; their shape and number of classes become its own.
        about: knobs of the convolution, such as `ratio=4`, and fields of `ModelSpec`, such as `width=0.25`,
            `num_classes=5`, `input_shape=(3, 64, 64)`, `seed=1`.

    Raises `UsageError` or `InvalidSpec` for what cannot be.
    """
    dataset = None if data is None else load_dataset(source_of(data))
    require_known(about, [*KNOBS, *_OF_SPEC], "a network")
    if dataset is not None:
        about = {"num_classes": dataset.num_classes, "input_shape": dataset.input_shape} | about
    knobs = {key: about.pop(key) for key in tuple(about) if key in KNOBS}
    if ":" in name:
        convolution = ConvSpec.preset(conv or "standard", semantics, **knobs)
        spec = own_network(load_code(name), convolution, **about).spec
    else:
        spec = model_spec(name, conv, semantics, knobs=knobs, **about)
    draft, module = initialise_checkpoint(spec, dataset)
    return Network.as_it_is(module, draft)


@speaking
def wrap_network(
    module: nn.Module,
    conv: str = "standard",
    *,
    input_shape: Shape,
    semantics: Any = "released",
    trained: bool = False,
    **knobs: Any,
) -> Network:
    """A copy of a module of yours as a network, with its convolutions replaced where `conv` says so.

    Args:
        module: takes (N, C, H, W) images to (N, classes) logits, in float32 on the CPU.
        conv: what its convolutions become, with new weights; "standard" leaves them and theirs.
        input_shape: (C, H, W) of one image.
        semantics: of GroupNL, "released" or "paper".
        trained: whether somebody trained its weights.
        knobs: of the convolution, such as `ratio=4`.

    Raises `UsageError` and `InvalidSpec` for what is no such network. Its code travels nowhere: it is exported to ONNX.
    """
    if not isinstance(module, nn.Module):
        raise UsageError(f"{module!r} is no module.", "Give an object of your class, as wrap_network(Net(), …).")
    require_known(knobs, KNOBS, "a convolution")
    convolution = ConvSpec.preset(conv, semantics, **knobs)
    spec = ModelSpec(type(module).__name__, convolution, input_shape=input_shape, code=origin_of(module))
    classes, _ = tried(spec, Path.cwd())
    draft, copied = initialise_checkpoint(replace(spec, num_classes=classes))
    return Network.as_it_is(copied, _trained_elsewhere(draft, copied) if trained else draft)


@speaking
def train_network(
    network: Network,
    data: DataSource | str,
    out: Path | str,
    recipe: Recipe | None = None,
    *,
    init: Path | str | None = None,
    reporter: Reporter | None = None,
) -> Network:
    """Train a network of this specification from its first weights on, and keep its checkpoint folder.

    An interrupted training goes on where it stopped when it is asked for again. The given network stays as it is.

    Args:
        network: what to train; its own weights are not read.
        data: the images.
        out: the folder to write; it must not exist.
        recipe: how; None is the one that `groupnl train` takes.
        init: the folder of a checkpoint to begin with in place of the first weights.
        reporter: told of the progress.
    """
    data = source_of(data)
    spec = network.spec
    registered = None if spec.code else spec.name
    chosen = recipe or recipe_for(data.name, RecipeChanges(), spec.seed, init is not None, registered)
    begin = None if init is None else Path(init)
    train_checkpoint(spec, chosen, data, Path(out), reporter or Silence(), init=begin)
    return load_network(out)


def evaluate_network(
    folder: Path | str, data: DataSource | str | None = None, reporter: Reporter | None = None
) -> Evaluated:
    """How many test images the network in a checkpoint or an artifact answers rightly, class by class.

    Args:
        folder: of the checkpoint or the artifact.
        data: which images; None is those that it was trained on, of which only the test part counts.
        reporter: told of the progress.
    """
    name, path = (None, None) if data is None else (source_of(data).name, source_of(data).path)
    return evaluate_folder(Path(folder), name, path, reporter or Silence())


def save_network(
    network: Network, out: Path | str, *, mean: tuple[float, ...] = (), std: tuple[float, ...] = ()
) -> Path:
    """Keep a network in a new checkpoint folder, which export, push and bench take.

    Weights that have changed since the network was made or loaded were trained by the caller: on what and how well is
    not known here, and that is what the checkpoint says.

    Args:
        network: the network; its module has the weights.
        out: the folder to write; it must not exist.
        mean: of pixels from 0 to 1, per channel, if not the network's own.
        std: likewise.
    """
    about = replace(network.about, mean=mean or network.about.mean, std=std or network.about.std)
    if len(about.mean) != len(about.std) or len(about.mean) != network.spec.input_shape[0]:
        raise UsageError("Mean and std have not one number for each channel.", "Give both, one number a channel.")
    changed = _digest(network.module) != network.sha256
    save_checkpoint(Path(out), _trained_elsewhere(about, network.module) if changed else about, network.module)
    return Path(out)


@speaking
def load_network(folder: Path | str, code: str | nn.Module | None = None) -> Network:
    """The network in a checkpoint folder, in evaluation mode.

    Args:
        folder: the checkpoint.
        code: of a network of your own, which no checkpoint holds: "net.py:net", which is run, or a module like the one
            that was wrapped.

    Raises `UsageError`, `VerificationFailed`.
    """
    if isinstance(code, str):
        load_code(code)
    elif code is not None:
        origin_of(code)
    try:
        checkpoint, module = load_checkpoint_model(Path(folder))
    except CodeNotLoaded as error:
        raise UsageError(
            f"{folder} holds a network of your own, {error.origin}, and its code is not what was given.",
            'Give it as it was: load_network(folder, code="net.py:net"), or a module like the one that was wrapped.',
        ) from error
    return Network.as_it_is(module, checkpoint.draft)


def _digest(module: nn.Module) -> str:
    return sha256_hex(tensor_bytes(module.state_dict()))


def _trained_elsewhere(about: CheckpointDraft, module: nn.Module) -> CheckpointDraft:
    """What can be said of weights that another program made."""
    origin = ImportedFrom(file="memory", sha256=_digest(module), weights="raw")
    assumed = ("it was trained by another program, in memory; on which images and how well is not known",)
    return replace(
        about, trained=True, data=None, accuracy=None, recipe=None, epoch=0, epochs=0, imported=origin, assumed=assumed
    )
