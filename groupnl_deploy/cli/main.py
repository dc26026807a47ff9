"""The application: its commands, and nothing that is slow to import."""

from typing import Annotated

import typer

from groupnl_deploy.cli import (
    bench,
    compare,
    console,
    data,
    demo,
    device,
    energy_model,
    evaluate,
    export,
    grow,
    models,
    power,
    push,
    recipes,
    report,
    run,
    train,
)
from groupnl_deploy.version import __version__

app = typer.Typer(
    name="groupnl",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # plain help starts a quarter faster, and pipes and screen readers take it as it is
    context_settings={"help_option_names": ["-h", "--help"]},
    help="GroupNL networks from training to a small board, with speed, memory and energy that were measured.",
)
app.command("demo")(demo.demo)
app.command("run")(run.run)
app.add_typer(models.app, name="models")
app.add_typer(data.app, name="data")
app.command("train")(train.train)
app.command("recipes")(recipes.recipes)
app.command("grow")(grow.grow)
app.command("evaluate")(evaluate.evaluate)
app.command("export")(export.export)
app.command("push")(push.push)
app.command("bench")(bench.bench)
app.command("compare")(compare.compare)
app.command("report")(report.report)
app.add_typer(power.app, name="power")
app.add_typer(device.app, name="device")
app.add_typer(energy_model.app, name="energy-model")


def _version(wanted: bool) -> None:
    if wanted:
        console.show_text(f"groupnl {__version__}")
        raise typer.Exit


@app.callback()
def _globals(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks; allowed anywhere on the line.")] = False,
) -> None:
    """The options of every command; `--debug` is listed here and handled by `entry`."""
