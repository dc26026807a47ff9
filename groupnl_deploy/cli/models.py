"""`groupnl models`: the networks by name, and untrained checkpoints of them."""

from typing import Annotated

import typer

from groupnl_deploy.cli import console, model_curves, model_diversity, model_import, model_plot, model_show
from groupnl_deploy.cli.checkpoint_json import checkpoint_json
from groupnl_deploy.cli.conv_options import ConvOptions, with_conv_options
from groupnl_deploy.cli.exits import guarded
from groupnl_deploy.cli.options import Json, OutFolder, shape
from groupnl_deploy.cli.own_options import Asked, Module, OwnImage, again, require_one_network
from groupnl_deploy.models.methods import CONVOLUTIONS, METHODS, ConvMethod
from groupnl_deploy.models.networks import ALIASES
from groupnl_deploy.models.registry import list_models, list_modules
from groupnl_deploy.words import command_line
from groupnl_deploy.workspace import require_absent

app = typer.Typer(
    no_args_is_help=True,
    help="Networks: list them, count their parameters and FLOPs, import or make checkpoints, draw them and trainings.",
)

Width = Annotated[float, typer.Option(help="Factor on every channel count.")]
Seed = Annotated[int, typer.Option(help="Seed of the weights and of GroupNL's hyper-parameters.")]


@app.command("list")
@guarded
def list_(json: Json = False) -> None:
    """List the networks. Example: groupnl models list"""
    aliases: dict[str, list[str]] = {}
    for name, alias in ALIASES.items():
        aliases.setdefault(alias.network, []).append(name)
    if json:
        models = [
            {"name": entry.name, "summary": entry.summary, "aliases": aliases.get(entry.name, [])}
            | {"input_shape": list(entry.input_shape), "num_classes": entry.num_classes}
            | {"padding": entry.padding, "bn_eps": entry.bn_eps}
            for entry in (*list_models(), *list_modules())
        ]
        convolutions = [{"name": one.word, "summary": one.about, "knobs": list(one.knobs)} for one in _convolutions()]
        console.show_json({"schema_version": 1, "models": models, "convolutions": convolutions})
        return
    entries = (*list_models(), *list_modules())
    rows = [(entry.name, entry.summary, f"{entry.input_shape[1]}x{entry.input_shape[2]}") for entry in entries]
    console.show_table([(heading, False) for heading in ("Name", "What it is", "Image")], rows)
    for name, alias in ALIASES.items():
        console.show_text(f" {name} = {alias.network} {alias.options}")
    console.show_table([("--conv", False), ("What it is", False)], [(one.word, one.about) for one in _convolutions()])
    console.say(
        "Any network with any convolution. Counts: groupnl models show NAME --conv groupnl. "
        "For a network of your own give --module FILE.py:FUNCTION in place of NAME."
    )


def _convolutions() -> list[ConvMethod]:
    return [METHODS[word] for word in CONVOLUTIONS]


@app.command("init")
@guarded
@with_conv_options
def init(
    out: OutFolder,
    name: Annotated[str | None, typer.Argument(help="A name or alias from `groupnl models list`.")] = None,
    module: Module = None,
    input_: OwnImage = None,
    width: Width = 1.0,
    classes: Annotated[int | None, typer.Option(help="Outputs; the network's own number if left out.")] = None,
    *,
    options: ConvOptions,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Write a randomly initialised checkpoint, marked untrained wherever it goes.

    With it a board can be benchmarked on the first day; its accuracy is null. Without --conv it is the paper's GroupNL.

    Example: groupnl models init resnet18_cifar --seed 0 --out net

    Example: groupnl models init mobilenetv3_gnl_large_100 --out net

    Example: groupnl models init --module net.py:net --input 3,32,32 --out net
    """
    require_one_network(name, module)
    require_absent(out)
    asked = Asked(name, module, shape("--input", input_), classes)
    spec, told = asked.spec(options, "groupnl", width=width, seed=seed)
    from groupnl_deploy.training.checkpoint import checkpoint_id, initialise_checkpoint, save_checkpoint

    save_checkpoint(out, *initialise_checkpoint(spec))
    following = command_line("export", out, *again(module), "--format", "onnx", "--out", "ARTIFACT")
    console.say(f"{out}: {spec.label}, untrained. Next: {following}")
    if json:
        console.show_json(checkpoint_json(out, checkpoint_id(out)) | told)


app.command("show")(model_show.show)
app.command("import")(model_import.import_)
app.command("plot")(model_plot.plot)
app.command("curves")(model_curves.curves)
app.command("diversity")(model_diversity.diversity)
