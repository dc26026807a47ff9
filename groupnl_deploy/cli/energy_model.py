"""`groupnl energy-model`: what group convolutions cost on one board, fitted to measured layers, asked of a network."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from groupnl_deploy.cli import console
from groupnl_deploy.cli.energy_model_sweep import sweep as measured
from groupnl_deploy.cli.exits import guarded
from groupnl_deploy.cli.options import Json, RetryFor, shape
from groupnl_deploy.deploy.named_devices import one_device
from groupnl_deploy.remote.retry import DEFAULT_RETRY_S

if TYPE_CHECKING:
    from groupnl_deploy.energy_model.layer import LayerShape

app = typer.Typer(
    no_args_is_help=True,
    help="What group convolutions cost on one board, and how many groups cost least there (E2GC, docs/e2gc.md).",
)

app.command("sweep")(measured)

PASSES = ("forward", "forward+backward")

Image = Annotated[
    str | None, typer.Option("--input", metavar="C,H,W", help="One image; left out, the network's own shape.")
]


@app.command("fit")
@guarded
def fit(
    sweep: Annotated[Path, typer.Argument(metavar="SWEEP", help="sweep.json of `sweep`, or a CSV (docs/e2gc.md).")],
    out: Annotated[Path, typer.Option("--out", help="The file to write; it must not exist yet.")],
    json: Json = False,
) -> None:
    """Fit the paper's law, a constant group size, an additive law and a table to the layers of one board.

    Each layer is left out once and asked about: the regret is what a fit's choice of groups costs there more than
    the cheapest. Intervals are of 95 %, from the windows of each layer.

    Example: groupnl energy-model fit layers.csv --out pi4.json
    """
    from groupnl_deploy.cli.energy_model_text import show_model
    from groupnl_deploy.energy_model.model import fit as fitted
    from groupnl_deploy.energy_model.model import save_model
    from groupnl_deploy.energy_model.sweep_file import read_sweep
    from groupnl_deploy.workspace import require_absent

    require_absent(out)
    model = fitted(read_sweep(sweep))
    save_model(out, model)
    if json:
        console.show_json(model)
        return
    show_model(model)
    console.say(f"{out}: kept. Next: groupnl energy-model predict {out} --model mobilenetv1_100")


@app.command("predict")
@guarded
def predict(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A file that `groupnl energy-model fit` wrote.")],
    network: Annotated[str, typer.Option("--model", metavar="NET", help="A name from `groupnl models list`.")],
    width: Annotated[float, typer.Option(help="Factor on every channel count.")] = 1.0,
    input_: Image = None,
    device: Annotated[
        list[str] | None,
        typer.Option("--device", metavar="NAME", help="Ask this device what it is now, and refuse a model of another."),
    ] = None,
    board: Annotated[str | None, typer.Option(help="Refuse a model of another board than this.")] = None,
    clock: Annotated[float | None, typer.Option(help="Refuse one of another clock, in MHz.")] = None,
    threads: Annotated[
        int | None, typer.Option(help="Refuse one of another number; with --device, 0 is every core.")
    ] = None,
    runtime: Annotated[str | None, typer.Option(help='Refuse one of another, such as "onnxruntime 1.22.0".')] = None,
    precision: Annotated[str | None, typer.Option(help="Refuse one of another, such as float32.")] = None,
    pass_: Annotated[str | None, typer.Option("--pass", help=f"Refuse one of another: {' or '.join(PASSES)}.")] = None,
    batch: Annotated[int | None, typer.Option(help="Refuse one of another batch.")] = None,
    retry_for: RetryFor = DEFAULT_RETRY_S,
    json: Json = False,
) -> None:
    """Say how many groups cost least in each convolution of a network, and what its variants cost.

    The variants are E2GC (a constant group size G), FgGC (a constant number of groups g) and depthwise. Their costs are
    those of the convolutions whose groups are chosen, together; the rest of the network is the same in all of them.

    Example: groupnl energy-model predict pi4.json --model mobilenetv1_100

    Example: groupnl energy-model predict pi4.json --model mobilenetv1_100 --device pi

    Example: groupnl energy-model predict pi4.json --model resnext50_32x4d --threads 4 --json
    """
    from groupnl_deploy.cli.energy_model_text import prediction_json, show_prediction
    from groupnl_deploy.energy_model.model import load_model
    from groupnl_deploy.energy_model.predict import predict as predicted
    from groupnl_deploy.words import known_word

    if pass_ is not None:
        known_word("pass", pass_, PASSES)
    name = one_device("energy-model predict", device).name if device else None
    found = load_model(model)
    found.key.require(
        board=board,
        clock_mhz=clock,
        threads=None if name and threads == 0 else threads,
        runtime=runtime,
        precision=precision,
        passes=pass_,
        batch=batch,
    )
    layers = _layers(network, width, input_)
    if name is not None:
        from groupnl_deploy.energy_sweep.key import require_of_device

        require_of_device(found.key, name, threads, console.TerminalReporter(), retry_for)
    asked = predicted(found, layers)
    if json:
        console.show_json(prediction_json(network, found, asked))
        return
    show_prediction(network, found, asked)


def _layers(network: str, width: float, input_: str | None) -> "list[tuple[str, LayerShape]]":
    from groupnl_deploy.models.registry import model_spec

    spec = model_spec(network, "standard", width=width)
    image = shape("--input", input_)
    spec = spec if image is None else replace(spec, input_shape=image)
    from groupnl_deploy.energy_model.network import grouped_layers

    return [(layer.name, layer.shape) for layer in grouped_layers(spec)]
