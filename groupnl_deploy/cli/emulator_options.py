"""The options of `groupnl power emulate` by what they describe: the load, the converter, the line with its cable."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from groupnl_deploy.cli.options import AllowImplausible
from groupnl_deploy.errors import UsageError

if TYPE_CHECKING:
    from power.meters.km003c.emulated_adc import AdcModel
    from power.meters.km003c.emulated_line import LineBehaviour
    from power.meters.km003c.emulated_load import LoadHistory
    from power.meters.km003c.emulator import CableTimes

_VOLTS, _AMPS = 5.1, 0.5


@dataclass(frozen=True)
class LoadOptions:
    """What the emulated meter measures."""

    load: Annotated[
        Path | None, typer.Option(help="A CSV t_s,voltage_v,current_a, or a recording; each row holds until the next.")
    ] = None
    interpolate: Annotated[
        bool, typer.Option("--interpolate", help="Straight lines between the rows of --load; none before or after.")
    ] = False
    volts: Annotated[float | None, typer.Option(help=f"A steady load instead; {_VOLTS} if left out.")] = None
    amps: Annotated[float | None, typer.Option(help=f"And its current; {_AMPS} if left out.")] = None
    allow_implausible: AllowImplausible = False

    def history(self) -> "LoadHistory":
        """The load over time. Raises `UsageError` for options that exclude each other."""
        from power.meters.km003c.emulated_load import LoadHistory, LoadPoint
        from power.meters.km003c.load_script import read_load_script

        if self.load is None and not self.interpolate:
            point = LoadPoint(
                0.0, _VOLTS if self.volts is None else self.volts, _AMPS if self.amps is None else self.amps
            )
            return LoadHistory([point])
        if self.load is None or (self.volts, self.amps) != (None, None):
            raise UsageError(
                "--interpolate is for --load, and --volts and --amps are not.",
                "Give a load file, or a steady load.",
            )
        return read_load_script(self.load, self.interpolate, self.allow_implausible)


@dataclass(frozen=True)
class AdcOptions:
    """How it measures, and what it says of it."""

    update_hz: Annotated[float, typer.Option(help="New values a second; a meter has 2, 10, 50 or 1000.")] = 2.0
    block_bytes: Annotated[int, typer.Option(help="44, or 40 as old firmware sends.")] = 44
    noise_ua: Annotated[float, typer.Option(help="Noise of the current in µA; 0 for exact values.")] = 3.0
    no_flicker: Annotated[
        bool, typer.Option("--no-flicker", help="CC1 stands still: without noise a steady load then repeats exactly.")
    ] = False
    no_temperature: Annotated[bool, typer.Option("--no-temperature", help="The temperature is missing.")] = False
    reversed_: Annotated[bool, typer.Option("--reversed", help="Plugged in the other way: negative currents.")] = False
    unlocked: Annotated[bool, typer.Option("--unlocked", help="Mark replies as in an unlocked session.")] = False

    def model(self, seed: int) -> "AdcModel":
        """The converter that they describe."""
        from power.meters.km003c.emulated_adc import AdcModel

        return AdcModel(
            update_hz=self.update_hz,
            block_bytes=self.block_bytes,
            noise_ua=self.noise_ua,
            flicker=not self.no_flicker,
            temperature=not self.no_temperature,
            reversed=self.reversed_,
            bits_16_21=2 if self.unlocked else 0,
            seed=seed,
        )


@dataclass(frozen=True)
class LineOptions:
    """What happens to its replies on their way."""

    split: Annotated[bool, typer.Option("--split", help="Replies come in pieces.")] = False
    stale_every: Annotated[int, typer.Option(help="Old packets in front of every so many replies.")] = 0
    garbage_every: Annotated[int, typer.Option(help="Garbage in front of every so many replies.")] = 0
    silent_every: Annotated[int, typer.Option(help="Every so many requests are not answered; 1 for none.")] = 0
    silent_from: Annotated[float, typer.Option(help="No answers from this time, in seconds …", show_default=False)] = (
        math.inf
    )
    silent_until: Annotated[float, typer.Option(help="… until this.", show_default=False)] = math.inf
    unplug_at: Annotated[float | None, typer.Option(help="The cable is pulled at this time, in seconds.")] = None
    replug_at: Annotated[float | None, typer.Option(help="And put back at this, under the same path.")] = None

    def behaviour(self, seed: int) -> "LineBehaviour":
        """The line that they describe."""
        from power.meters.km003c.emulated_line import LineBehaviour

        return LineBehaviour(
            split=self.split,
            stale_every=self.stale_every,
            garbage_every=self.garbage_every,
            silent_every=self.silent_every,
            silent_from_s=self.silent_from,
            silent_until_s=self.silent_until,
            seed=seed,
        )

    def cable(self) -> "CableTimes":
        """When it is pulled and put back."""
        from power.meters.km003c.emulator import CableTimes

        return CableTimes(self.unplug_at, self.replug_at)
