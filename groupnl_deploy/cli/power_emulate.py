"""`groupnl power emulate`: a KM003C that is none, on a pseudo-terminal, with every trouble that a real one can make."""

import contextlib
import math
import threading
import time
from typing import TYPE_CHECKING, Annotated

import typer

from groupnl_deploy.cli import console
from groupnl_deploy.cli.emulator_options import AdcOptions, LineOptions, LoadOptions
from groupnl_deploy.cli.exits import guarded
from groupnl_deploy.cli.option_groups import with_option_groups
from groupnl_deploy.cli.options import Duration, require_duration

if TYPE_CHECKING:
    from power.meters.km003c.emulator import Km003cEmulator


@guarded
@with_option_groups
def emulate(
    *,
    load: LoadOptions,
    print_port: Annotated[
        bool, typer.Option("--print-port", help="Print the port on stdout, and nothing else.")
    ] = False,
    duration: Duration = None,
    start_on_first_poll: Annotated[
        bool, typer.Option("--start-on-first-poll", help="Time 0 is the first request, not the start of this command.")
    ] = False,
    adc: AdcOptions,
    line: LineOptions,
    seed: Annotated[int, typer.Option(help="Of the noise and of the places where replies are split.")] = 0,
) -> None:
    """Emulate a KM003C on a pseudo-terminal; what is recorded from it is marked as emulated.

    Every time counts from the start of this command, or from the first request with --start-on-first-poll. The
    first row of --load holds before its time too, and the last for ever. At the end it says what it heard and how
    many joules the load really took.

    Example: groupnl power emulate --load load.csv --print-port

    Example: groupnl power emulate --volts 5 --amps 1.2 --unplug-at 5 --replug-at 8
    """
    from power.meters.km003c.emulator import Km003cEmulator

    require_duration("An emulation", duration)
    with Km003cEmulator(
        script=load.history(),
        adc=adc.model(seed),
        line=line.behaviour(seed),
        cable=line.cable(),
        start_on_first_poll=start_on_first_poll,
    ) as emulator:
        with contextlib.suppress(KeyboardInterrupt):  # which is how one ends it
            _announce(emulator.stable_port, duration, print_port)
            threading.Event().wait(min(duration or math.inf, threading.TIMEOUT_MAX))  # which is a lifetime at least
        _sum_up(emulator)


def _announce(port: str, duration_s: float | None, print_port: bool) -> None:
    if print_port:
        console.show_text(port)
        return
    length = "until Ctrl-C" if duration_s is None else f"for {duration_s:g} s"
    console.say(f"An emulated KM003C is at {port} {length}. Record from it in another terminal:")
    console.say(f"groupnl power record --meter km003c --port {port} --duration 10 --out trace.csv")


def _sum_up(emulator: "Km003cEmulator") -> None:
    """What it heard, and the truth about its load."""
    began_s, now_s = emulator.began_s, time.monotonic()
    console.say(
        f"Heard {emulator.requests} requests (GET_DATA) and {emulator.other_bytes} bytes of anything else. "
        f"The load took {emulator.true_energy_j(began_s, now_s):.6f} J in {now_s - began_s:.3f} s."
    )
