"""`groupnl train` and `groupnl evaluate`."""

from pathlib import Path
from typing import Annotated

import typer

from groupnl_deploy.cli import console
from groupnl_deploy.cli.checkpoint_json import checkpoint_json
from groupnl_deploy.cli.conv_options import ConvOptions, tell_departure, with_conv_options
from groupnl_deploy.cli.exits import guarded, resuming
from groupnl_deploy.cli.models import Width
from groupnl_deploy.cli.options import DataFolder, ImageShape, Json, OutFolder, shape
from groupnl_deploy.errors import Stopped
from groupnl_deploy.images.datasets import DATASETS, load_dataset
from groupnl_deploy.mistaken import require_is
from groupnl_deploy.words import command_line, known_word
from groupnl_deploy.workspace import require_absent


@resuming
@with_conv_options
def train(
    out: OutFolder,
    options: ConvOptions,
    model: Annotated[str, typer.Option(help="A name or alias from `groupnl models list`.")] = "resnet18_cifar",
    dataset: Annotated[str, typer.Option(help="A data set's name; digits comes with scikit-learn.")] = "digits",
    data: DataFolder = None,
    input_: ImageShape = None,
    width: Width = 1.0,
    epochs: Annotated[int | None, typer.Option(help="Epochs; the recipe's own number if left out.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
    threads: Annotated[
        int, typer.Option(help="Threads of PyTorch. 0 is every core; the weights then depend on the machine.")
    ] = 1,
    json: Json = False,
) -> None:
    """Train a network to a checkpoint folder. An interrupted training goes on where it stopped.

    Without --conv it is the paper's GroupNL for this network.

    Example: groupnl train --model resnet18_cifar --conv groupnl --dataset digits --width 0.25 --out net
    """
    # Before PyTorch and the images, so that a wrong word shows at once.
    known_word("dataset", dataset, DATASETS)
    options.spec(model, otherwise="groupnl", width=width, seed=seed)
    require_absent(out)
    from groupnl_deploy.campaign.cell import Cell, Source, Training
    from groupnl_deploy.campaign.train_job import train_cell
    from groupnl_deploy.images.source import DataSource
    from groupnl_deploy.training.checkpoint import checkpoint_id
    from groupnl_deploy.training.recipe import Recipe
    from groupnl_deploy.training.train import finished_epochs

    source = DataSource(dataset, data, shape("--input", input_))
    images = load_dataset(source)
    size = {"num_classes": images.num_classes, "input_shape": images.input_shape}
    spec = options.spec(model, otherwise="groupnl", width=width, seed=seed, **size)
    departed = tell_departure(model, spec)
    recipe = Recipe.with_defaults(epochs, seed, threads)
    try:
        cell = Cell(Source(out.name, spec, Training(recipe, source)))
        checkpoint = train_cell(cell, out, console.TerminalReporter())
    except KeyboardInterrupt as error:
        raise Stopped(_how_it_goes_on(finished_epochs(spec, recipe, source, out))) from error
    if json:
        console.show_json(checkpoint_json(out, checkpoint_id(out)) | departed)
        return
    accuracy = "–" if checkpoint.accuracy is None else f"{100 * checkpoint.accuracy:.2f} %"
    console.show_text(f"{out}: {spec.label}, accuracy {accuracy} on the held-out part of {dataset}")
    console.say(f"Next: {command_line('export', out, '--format', 'onnx', '--out', 'ARTIFACT')}")


def _how_it_goes_on(epochs: int) -> str:
    if epochs:
        return f"Nothing half-written was left; the same command goes on after epoch {epochs}."
    return "Nothing half-written was left. No epoch was whole, so the same command goes on from the very beginning."


@guarded
def evaluate(
    checkpoint: Annotated[Path, typer.Argument(help="A checkpoint folder.")],
    json: Json = False,
) -> None:
    """Measure a checkpoint's accuracy on the held-out part of its data set, here. Example: groupnl evaluate net"""
    require_is(checkpoint, "checkpoint")
    from device_agent.strict import to_dict
    from groupnl_deploy.errors import UsageError
    from groupnl_deploy.images.at_hand import dataset_at_hand
    from groupnl_deploy.training.checkpoint import load_model
    from groupnl_deploy.training.evaluate import evaluate as measure
    from groupnl_deploy.training.recipe import Recipe
    from groupnl_deploy.training.threads import computing_threads

    stored, model = load_model(checkpoint)
    if not stored.trained:
        raise UsageError(
            f"{checkpoint} is untrained: its accuracy would describe nothing.", "Train one: groupnl train --help"
        )
    if stored.data is None:
        raise UsageError(
            f"{checkpoint} was imported: which images it was trained on is not known here.",
            "Its accuracy is what its authors say; groupnl bench measures everything else.",
        )
    data = dataset_at_hand(stored.data, stored.spec.input_shape)
    if data is None:
        raise UsageError(
            f"The images that {checkpoint} was trained on are not at hand.", "Put them back where they lay."
        )
    with computing_threads((stored.recipe or Recipe()).threads):
        result = measure(model, data.test, stored.mean, stored.std)
    if json:
        console.show_json({"schema_version": 1, "dataset": data.name, "evaluation": to_dict(result)})
        return
    console.show_text(f"{stored.spec.label}: {100 * result.accuracy:.2f} % of {result.count} images of {data.name}")
