"""`groupnl power emulate`: a KM003C that is none, on a pseudo-terminal, with every trouble that a real one can make."""

import contextlib
import math
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from groupnl_deploy.cli import console
from groupnl_deploy.cli.exits import guarded
from groupnl_deploy.errors import UsageError

if TYPE_CHECKING:
    from power.meters.km003c.emulated_load import LoadHistory
    from power.meters.km003c.emulator import Km003cEmulator

_VOLTS, _AMPS = 5.1, 0.5


@guarded
def emulate(
    load: Annotated[
        Path | None, typer.Option(help="A CSV t_s,voltage_v,current_a, or a recording; each row holds until the next.")
    ] = None,
    interpolate: Annotated[
        bool, typer.Option("--interpolate", help="Straight lines between the rows of --load; none before or after.")
    ] = False,
    volts: Annotated[float | None, typer.Option(help=f"A steady load instead; {_VOLTS} if left out.")] = None,
    amps: Annotated[float | None, typer.Option(help=f"And its current; {_AMPS} if left out.")] = None,
    print_port: Annotated[
        bool, typer.Option("--print-port", help="Print the port on stdout, and nothing else.")
    ] = False,
    duration: Annotated[float | None, typer.Option(help="Seconds; until Ctrl-C if left out.")] = None,
    start_on_first_poll: Annotated[
        bool, typer.Option("--start-on-first-poll", help="Time 0 is the first request, not the start of this command.")
    ] = False,
    update_hz: Annotated[float, typer.Option(help="New values a second; a meter has 2, 10, 50 or 1000.")] = 2.0,
    block_bytes: Annotated[int, typer.Option(help="44, or 40 as old firmware sends.")] = 44,
    noise_ua: Annotated[float, typer.Option(help="Noise of the current in µA; 0 for exact values.")] = 3.0,
    no_flicker: Annotated[
        bool, typer.Option("--no-flicker", help="CC1 stands still: without noise a steady load then repeats exactly.")
    ] = False,
    no_temperature: Annotated[bool, typer.Option("--no-temperature", help="The temperature is missing.")] = False,
    reversed_: Annotated[bool, typer.Option("--reversed", help="Plugged in the other way: negative currents.")] = False,
    unlocked: Annotated[bool, typer.Option("--unlocked", help="Mark replies as in an unlocked session.")] = False,
    split: Annotated[bool, typer.Option("--split", help="Replies come in pieces.")] = False,
    stale_every: Annotated[int, typer.Option(help="Old packets in front of every so many replies.")] = 0,
    garbage_every: Annotated[int, typer.Option(help="Garbage in front of every so many replies.")] = 0,
    silent_every: Annotated[int, typer.Option(help="Every so many requests are not answered; 1 for none.")] = 0,
    silent_from: Annotated[
        float, typer.Option(help="No answers from this time, in seconds …", show_default=False)
    ] = math.inf,
    silent_until: Annotated[float, typer.Option(help="… until this.", show_default=False)] = math.inf,
    unplug_at: Annotated[float | None, typer.Option(help="The cable is pulled at this time, in seconds.")] = None,
    replug_at: Annotated[float | None, typer.Option(help="And put back at this, under the same path.")] = None,
    seed: Annotated[int, typer.Option(help="Of the noise and of the places where replies are split.")] = 0,
) -> None:
    """Emulate a KM003C on a pseudo-terminal; what is recorded from it is marked as emulated.

    Every time counts from the start of this command, or from the first request with --start-on-first-poll. The
    first row of --load holds before its time too, and the last for ever. At the end it says what it heard and how
    many joules the load really took.

    Example: groupnl power emulate --load load.csv --print-port

    Example: groupnl power emulate --volts 5 --amps 1.2 --unplug-at 5 --replug-at 8
    """
    from power.meters.km003c.emulated_adc import AdcModel
    from power.meters.km003c.emulated_line import LineBehaviour
    from power.meters.km003c.emulator import CableTimes, Km003cEmulator

    if duration is not None and not 0 < duration < math.inf:
        raise UsageError(f"An emulation of {duration} s is none.", "Give --duration in seconds, above zero.")
    with Km003cEmulator(
        script=_load(load, interpolate, volts, amps),
        adc=AdcModel(
            update_hz=update_hz,
            block_bytes=block_bytes,
            noise_ua=noise_ua,
            flicker=not no_flicker,
            temperature=not no_temperature,
            reversed=reversed_,
            bits_16_21=2 if unlocked else 0,
            seed=seed,
        ),
        line=LineBehaviour(
            split=split,
            stale_every=stale_every,
            garbage_every=garbage_every,
            silent_every=silent_every,
            silent_from_s=silent_from,
            silent_until_s=silent_until,
            seed=seed,
        ),
        cable=CableTimes(unplug_at, replug_at),
        start_on_first_poll=start_on_first_poll,
    ) as emulator:
        with contextlib.suppress(KeyboardInterrupt):  # which is how one ends it
            _announce(emulator.stable_port, print_port)
            threading.Event().wait(duration)
        _sum_up(emulator)


def _load(path: Path | None, interpolate: bool, volts: float | None, amps: float | None) -> "LoadHistory":
    from power.meters.km003c.emulated_load import LoadHistory, LoadPoint
    from power.meters.km003c.load_script import read_load_script

    if path is None and not interpolate:
        point = LoadPoint(0.0, _VOLTS if volts is None else volts, _AMPS if amps is None else amps)
        return LoadHistory([point])
    if path is None or (volts, amps) != (None, None):
        raise UsageError(
            "--interpolate is for --load, and --volts and --amps are not.", "Give a load file, or a steady load."
        )
    return read_load_script(path, interpolate)


def _announce(port: str, print_port: bool) -> None:
    if print_port:
        console.show_text(port)
        return
    console.say(f"An emulated KM003C is at {port} until Ctrl-C. Record from it in another terminal:")
    console.say(f"groupnl power record --meter km003c --port {port} --duration 10 --out trace.csv")


def _sum_up(emulator: "Km003cEmulator") -> None:
    """What it heard, and the truth about its load."""
    began_s, now_s = emulator.began_s, time.monotonic()
    console.say(
        f"Heard {emulator.requests} requests (GET_DATA) and {emulator.other_bytes} bytes of anything else. "
        f"The load took {emulator.true_energy_j(began_s, now_s):.6f} J in {now_s - began_s:.3f} s."
    )
