"""Entry point: the commands, and nothing that is slow to import."""

import os
import sys
from typing import Annotated

import typer

import groupnl_deploy
from groupnl_deploy.cli import console, device, models, report, run, ship, train

app = typer.Typer(
    name="groupnl",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="GroupNL networks from training to a small board, with speed, memory and energy that were measured.",
)
app.command("run")(run.run)
app.add_typer(models.app, name="models")
app.command("train")(train.train)
app.command("evaluate")(train.evaluate)
app.command("export")(ship.export)
app.command("push")(ship.push)
app.command("bench")(ship.bench)
app.command("report")(report.report)
app.add_typer(device.app, name="device")


def _version(wanted: bool) -> None:
    if wanted:
        console.show_text(f"groupnl {groupnl_deploy.__version__}")
        raise typer.Exit


@app.callback()
def _globals(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks; allowed anywhere on the line.")] = False,
) -> None:
    _require_own_packages()


def _require_own_packages() -> None:
    """`power` and `exporters` are names of other projects too, which may have been installed over ours."""
    import device_agent
    import exporters
    import power

    for package in (device_agent, exporters, power):
        if getattr(package, "__dist__", None) != groupnl_deploy.__dist__:
            console.show_error(
                f"The package “{package.__name__}” at {package.__file__} is another project's.",
                "Install groupnl-deploy into a virtual environment of its own.",
            )
            raise typer.Exit(1)


def entry() -> None:
    """The console script. `--debug` may stand anywhere, so it is taken off before the line is parsed."""
    arguments = sys.argv[1:]
    if "--debug" in arguments:
        os.environ[console.DEBUG_VARIABLE] = "1"
        arguments = [argument for argument in arguments if argument != "--debug"]
    app(args=arguments)


if __name__ == "__main__":
    entry()
