"""Options that several commands share, spelled once."""

import math
import re
from collections.abc import Collection
from pathlib import Path
from typing import Annotated

import typer

from groupnl_deploy.errors import UsageError, option_name
from groupnl_deploy.images.source import shape_of
from groupnl_deploy.remote.waiting import LONGEST_WAIT_S
from groupnl_deploy.words import EMULATOR_PORT, misspells

Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout, and nothing else there.")]
AllowInvalid = Annotated[
    bool,
    typer.Option(
        "--allow-invalid", help="End with 0 where a measurement is invalid and it would be 6; every mark stays."
    ),
]
OutFolder = Annotated[Path, typer.Option("--out", help="The folder to write; it must not exist yet.")]
OneDevice = Annotated[
    list[str], typer.Option("--device", metavar="NAME", help="A name from `groupnl device list`; one alone.")
]
"""A list, as Typer would drop all but the last without a word; `one_device` refuses several."""


DataFolder = Annotated[
    str | None,
    typer.Option("--data", metavar="DIR", help="Where the images lie: a folder, or an archive as it was published."),
]
ImageShape = Annotated[
    str | None, typer.Option("--input", metavar="C,H,W", help="What each image becomes; else the data set's own shape.")
]


def _port(port: str | None) -> str | None:
    """A port as given, unless it is nothing but a misspelt `EMULATOR_PORT`."""
    if port is not None and misspells(port, EMULATOR_PORT):
        raise typer.BadParameter(f"there is no port “{port}”. Did you mean “{EMULATOR_PORT}”?")
    return port


def _recording(path: Path) -> Path:
    """The recording of a run for its folder, of the only run of a `power run` for its; every other path as it is."""
    from groupnl_deploy.workspace import POWER_FILE

    if not path.is_dir():
        return path
    if (path / POWER_FILE).is_file():
        return path / POWER_FILE
    # `power run` says that all was kept in the folder, and each of its runs lies in one of its own there.
    within = sorted(path.glob(f"run-*/{POWER_FILE}"))
    if len(within) == 1:
        return within[0]
    if within:
        raise typer.BadParameter(f"{path} holds {len(within)} recordings. Name one, such as {within[0].parent}.")
    raise typer.BadParameter(f"{path} is a folder without a {POWER_FILE}. Name a file, or a run with a meter.")


def typed(ctx: typer.Context) -> frozenset[str]:
    """The options and arguments that stand on the command line, by the names of their parameters."""
    sources = {name: ctx.get_parameter_source(name) for name in ctx.params}
    return frozenset(name for name, source in sources.items() if getattr(source, "name", "") == "COMMANDLINE")


def first_but(given: Collection[str], allowed: Collection[str]) -> str | None:
    """The option, as it is typed, of the first of these parameters that is not allowed; None where all are."""
    return next(map(option_name, sorted(set(given) - set(allowed))), None)


_UNITS_S = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}


def seconds_of(given: str | float) -> float:
    """Seconds of a time that somebody can wait, such as 30, 30s or 5m."""
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]*)?)\s*([smh]?)", str(given).strip())
    seconds = float(found[1]) * _UNITS_S[found[2]] if found else -1.0
    if not 0 <= seconds <= LONGEST_WAIT_S:
        raise typer.BadParameter(f"“{given}” is no time that can be waited; give one such as 30, 30s or 5m, up to 24h.")
    return seconds


Wait = Annotated[
    float,
    typer.Option(
        "--wait",
        parser=seconds_of,
        metavar="TIME",
        help="How long to wait while another push or benchmark holds the device, such as 30s or 10m; 0: not at all.",
    ),
]
RetryFor = Annotated[
    float,
    typer.Option(
        "--retry-for",
        parser=seconds_of,
        metavar="TIME",
        help="How long to seek a device whose link is lost, or that does not answer, such as 30s or 5m; 0: not at all.",
    ),
]
MeterName = Annotated[str, typer.Option("--meter", help="The power meter; `groupnl power list` shows the words.")]
BenchMeter = Annotated[
    str | None, typer.Option("--meter", help="The power meter, such as km003c; `groupnl power list` shows the words.")
]
ImagesAt = Annotated[
    str | None,
    typer.Option(
        "--data", metavar="DIR", help="Where the images lie that it was trained on, if not where they were seen."
    ),
]
MeterPort = Annotated[
    str | None,
    typer.Option(
        "--port",
        callback=_port,
        help="Where it is, such as /dev/ttyACM0; found if left out and only one is there; "
        f"`{EMULATOR_PORT}` starts one.",
    ),
]
MeterSign = Annotated[int, typer.Option("--sign", help="-1 if the meter is plugged the other way round.")]
MeterRate = Annotated[
    int | None, typer.Option("--meter-rate", help="Measurements a second, for km003c-usb alone: 2, 10, 50 or 1000.")
]
Recording = Annotated[
    Path,
    typer.Argument(
        metavar="RECORDING",
        callback=_recording,
        help="A recording, a run's folder, a file of any format that `groupnl power formats` lists, or -.",
    ),
]
Recordings = Annotated[
    list[Path],
    typer.Argument(
        metavar="TRACE.CSV",
        callback=lambda paths: [_recording(path) for path in paths],
        help="Recordings, runs' folders, or any CSVs with t_s, voltage_v and current_a.",
    ),
]
IntegrationMethod = Annotated[
    str | None,
    typer.Option(
        help="interval (a value covers the time before it), trapezoid (straight lines) or hold (until the next row); "
        "else what fits the meter."
    ),
]
AllowImplausible = Annotated[
    bool,
    typer.Option(
        "--allow-implausible", help="Read a file from elsewhere though its volts, amperes or times are no board's."
    ),
]
Duration = Annotated[float | None, typer.Option("--duration", help="Seconds; until Ctrl-C if left out.")]


def numbers(option: str, text: str | None, above_zero: bool = False) -> tuple[float, ...] | None:
    """The numbers behind an option, with commas between. Raises `UsageError` for what are none."""
    if text is None:
        return None
    try:
        values = tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise UsageError(f"{option} is “{text}”, which are no numbers.", f"Write {option} 0.5,0.5,0.5.") from error
    if not all(math.isfinite(value) and (value > 0 or not above_zero) for value in values):
        kind = "finite and above zero" if above_zero else "finite"
        raise UsageError(f"{option} is “{text}”; its numbers must be {kind}.", f"Write {option} 0.5,0.5,0.5.")
    return values


def shape(option: str, text: str | None) -> tuple[int, int, int] | None:
    """Channels, height and width behind an option. Raises `UsageError` for what are none."""
    return None if text is None else shape_of(option, text)


def require_duration(what: str, seconds: float | None) -> None:
    """Raise `UsageError` for a `Duration` that is none; `what` begins the sentence."""
    if seconds is not None and not 0 < seconds < float("inf"):
        raise UsageError(f"{what} of {seconds} s is none.", "Give --duration in seconds, above zero.")
