"""`groupnl train`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from device_agent.strict import to_dict
from groupnl_deploy.cli import console
from groupnl_deploy.cli.checkpoint_json import checkpoint_json
from groupnl_deploy.cli.confusion_text import headline, show_classes
from groupnl_deploy.cli.conv_options import ConvOptions, tell_departure, with_conv_options
from groupnl_deploy.cli.estimate_options import EstimateOptions, show_estimate
from groupnl_deploy.cli.exits import resuming
from groupnl_deploy.cli.gearnn_options import GearnnOptions
from groupnl_deploy.cli.growth_text import show_growth
from groupnl_deploy.cli.options import DataFolder, ImageShape, Json, OutFolder, shape
from groupnl_deploy.cli.own_options import Module, again, load_named, require_one_network, tell_own
from groupnl_deploy.cli.running_options import RunningOptions
from groupnl_deploy.cli.train_together import training_together, without_option
from groupnl_deploy.cli.training_options import RecipeSettings, TrainingOptions
from groupnl_deploy.errors import Stopped, UsageError
from groupnl_deploy.images.datasets import DATASETS, VARIED, module_of
from groupnl_deploy.images.source import DataSource
from groupnl_deploy.mistaken import require_is
from groupnl_deploy.models.spec import ModelSpec
from groupnl_deploy.training.from_timm import require_timm
from groupnl_deploy.training.launch import follows, is_launched, launch
from groupnl_deploy.training.one_training import require_no_training
from groupnl_deploy.training.recipe import Recipe
from groupnl_deploy.training.recipe_changes import ChosenRecipe, choose_recipe, with_settings
from groupnl_deploy.training.running import Running
from groupnl_deploy.words import command_line
from groupnl_deploy.workspace import require_absent

if TYPE_CHECKING:
    from groupnl_deploy.training.growing import GrowthRecord
    from groupnl_deploy.training.ranks import Ranks
    from groupnl_deploy.training.train import Trained

_USUAL_MODEL = "resnet18_cifar"
_PUBLISHED = [f"{name}:COMPANY" if name in VARIED else name for name in DATASETS if name not in ("digits", "folder")]

_NEXT = (("export", "--format", "onnx", "--out", "ARTIFACT"), ("evaluate", "--corruptions", "all"))


@resuming
@with_conv_options
def train(
    out: OutFolder,
    model: Annotated[
        str | None,
        typer.Option(help=f"A name or alias from `groupnl models list`; {_USUAL_MODEL} if left out."),
    ] = None,
    module: Module = None,
    init: Annotated[
        Path | None,
        typer.Option("--init", metavar="CHECKPOINT", help="Begin with these weights in place of random ones."),
    ] = None,
    dataset: Annotated[
        str,
        typer.Option(
            help="digits, which comes with scikit-learn; folder for images of your own; or a published one that "
            f"lies at --data: {', '.join(_PUBLISHED)}."
        ),
    ] = "digits",
    data: DataFolder = None,
    input_: ImageShape = None,
    *,
    options: ConvOptions,
    width: Annotated[float | None, typer.Option(help="Factor on every channel count (1).")] = None,
    changes: TrainingOptions,
    settings: RecipeSettings = None,
    gearnn: GearnnOptions,
    estimating: EstimateOptions,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
    running: RunningOptions,
    nproc: Annotated[
        int, typer.Option(min=1, help="Train in so many processes on this machine, one a GPU where there are GPUs.")
    ] = 1,
    restarts: Annotated[
        int, typer.Option(min=0, help="With --nproc: start all again so often where one is killed; they go on.")
    ] = 3,
    json: Json = False,
) -> None:
    """Train a network to a checkpoint folder. An interrupted training goes on where it stopped.

    Without --conv it is the paper's GroupNL for this network. With --init it is that of the checkpoint, be it
    trained, imported or untrained, with a new head where the classes differ.

    Example: groupnl train --model resnet18_cifar --conv groupnl --dataset digits --width 0.25 --out net

    Example: groupnl train --module net.py:net --conv groupnl --dataset digits --out net

    Example: groupnl train --init net --dataset folder --data photographs --freeze layer2 --out mine

    Example: groupnl train --model resnet18_cifar --dataset digits --nproc 2 --out net

    Example: groupnl train --method gearnn --model vgg11_cifar --conv standard --w0 8 --gamma 0.9 --er 0 --out grown

    Example: groupnl train --method gearnn --model vgg11_cifar --gamma 0.9 --er 0 --estimate --device pi --out grown
    """
    # Before PyTorch and the images, so that a wrong word shows at once.
    module_of(dataset)
    estimating.require_fit(gearnn.method)
    changes = gearnn.changes(with_settings(changes, settings or ()), dataset, init, nproc)
    _require_one_network(init, model, width, options)
    named = _USUAL_MODEL if (init, model, module) == (None, None, None) else model
    if init is None:
        require_one_network(named, module)
    about = {"width": 1.0 if width is None else width, "seed": seed}
    network = None if named is None else options.spec(named, otherwise="groupnl", **about)
    network = network and gearnn.backbone(network)
    chosen = choose_recipe(dataset, changes, seed, init is not None, None if network is None else network.name)
    recipe = chosen.recipe
    require_timm(recipe)
    require_absent(out)
    if not follows():
        require_no_training(out)
    wanted = DataSource(dataset, data, shape("--input", input_))
    if nproc > 1 and not is_launched():
        raise typer.Exit(launch(nproc, without_option(sys.argv[1:], "--nproc"), restarts))
    with training_together(running) as ranks:
        from groupnl_deploy.campaign.sources import on_images
        from groupnl_deploy.training.checkpoint import checkpoint_id

        reporter = console.TerminalReporter()

        def network_and_images() -> tuple[DataSource, ModelSpec, dict[str, Any]]:
            if network is None or named is None:
                return _of_checkpoint_or_code(init, module, options, wanted, reporter, about)
            source, spec = on_images(network, wanted, reporter)
            return source, spec, tell_departure(named, spec)

        source, spec, told = ranks.all_do(network_and_images)
        reporter.note(f"Recipe: {chosen}. All of it: {command_line('recipes', chosen.name)}")
        if estimating.estimate:
            show_estimate(estimating, spec, recipe, gearnn, source, out, json)
            return
        trained = _trained(out, spec, recipe, source, init, gearnn, reporter, running, ranks)
        if not ranks.first:
            return
    assert trained is not None
    grew = _growth(out, gearnn)
    if json:
        found = checkpoint_json(out, checkpoint_id(out)) | told | _of_recipe(chosen) | _test(trained)
        console.show_json(found | ({"growth": to_dict(grew)} if grew else {}))
        return
    if grew:
        show_growth(grew)
    made = trained.checkpoint.spec if trained.checkpoint else spec
    _show(trained, f"{out}: {made.label}", dataset)
    for command, *words in _NEXT:
        console.say(f"Next: {command_line(command, out, *again(module), *words)}")


def _of_checkpoint_or_code(
    init: Path | None,
    module: str | None,
    options: ConvOptions,
    wanted: DataSource,
    reporter: console.TerminalReporter,
    about: dict[str, Any],
) -> tuple[DataSource, ModelSpec, dict[str, Any]]:
    """The images, the network of a checkpoint or of the user's own code for them, and what was said of it."""
    from groupnl_deploy.campaign.sources import on_images, own_on_images
    from groupnl_deploy.own_code.load import load_code
    from groupnl_deploy.training.checkpoint import load_checkpoint

    if init is not None:
        load_named(module)
        return *on_images(load_checkpoint(init).spec, wanted, reporter), {}
    code = load_code(module or "")
    source, own = own_on_images(code, options.own_conv(), wanted, reporter, **about, **options.of_model())
    return source, own.spec, tell_own(own)


def _trained(
    out: Path,
    spec: ModelSpec,
    recipe: Recipe,
    source: DataSource,
    init: Path | None,
    gearnn: GearnnOptions,
    reporter: console.TerminalReporter,
    running: Running,
    ranks: "Ranks",
) -> "Trained | None":
    """By the method. Raises `Stopped` with how it goes on where somebody asked for that."""
    from groupnl_deploy.campaign.cell import Cell, Source, Training
    from groupnl_deploy.campaign.train_job import train_cell
    from groupnl_deploy.training.train import kept_place

    try:
        if gearnn.method is not None:
            from groupnl_deploy.training.gearnn import train_gearnn

            return train_gearnn(spec, recipe, source, out, gearnn.settings(recipe), reporter, running=running)
        return train_cell(Cell(Source(out.name, spec, Training(recipe, source, init))), out, reporter, running, ranks)
    except KeyboardInterrupt as error:
        if gearnn.method is not None:
            raise Stopped("Nothing half-written was left; the same command goes on in the phase it was in.") from error
        raise Stopped(_how_it_goes_on(kept_place(spec, recipe, source, out, init))) from error


def _require_one_network(init: Path | None, model: str | None, width: float | None, options: ConvOptions) -> None:
    """Raise `UsageError` where a checkpoint says the network and options do too."""
    if init is None:
        return
    require_is(init, "checkpoint")
    if model is not None or width is not None or options != ConvOptions():
        raise UsageError(
            f"The checkpoint {init} says which network is trained.",
            "Leave out --model, --width, --conv and what else describes a network, or leave out --init to begin with "
            "random weights.",
        )


def _show(trained: "Trained", what: str, dataset: str) -> None:
    confusion = trained.evaluation.confusion
    console.show_text(f"{what}, accuracy {headline(confusion)} on the held-out part of {dataset}")
    show_classes(confusion)


def _growth(out: Path, gearnn: GearnnOptions) -> "GrowthRecord | None":
    if gearnn.method is None:
        return None
    from groupnl_deploy.training.gearnn import growth_of

    return growth_of(out)


def _of_recipe(chosen: ChosenRecipe) -> dict[str, Any]:
    return {"recipe": {"name": chosen.name, "changed": to_dict(chosen.changed)}}


def _test(trained: "Trained") -> dict[str, Any]:
    confusion = trained.evaluation.confusion
    return {"test": to_dict(confusion), "above_chance": confusion.above_chance}


def _how_it_goes_on(place: str | None) -> str:
    if place is not None:
        return f"Nothing half-written was left; the same command goes on after {place}."
    return "Nothing half-written was left. No step was saved, so the same command goes on from the very beginning."
