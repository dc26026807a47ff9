"""Runs of a command in words. Pure."""

import shlex
from collections.abc import Iterator

from groupnl_deploy.analysis.spread import LEAST_FOR_INTERVAL
from groupnl_deploy.power_run.energy import CommandEnergy
from groupnl_deploy.power_run.record import CommandRecord
from groupnl_deploy.power_run.repeats import Repeats
from groupnl_deploy.report.energy_table import bound_text
from groupnl_deploy.words import counted

_LONGEST = 60


def run_lines(run: CommandRecord, number: int, wanted: int) -> Iterator[str]:
    """One run: how the command ended, and its joules with all that must be known of them."""
    which = f"Run {number} of {wanted}: " if wanted > 1 else ""
    where = f" on {run.device}" if run.device else ""
    took = "" if run.host is None else f" after {run.host.end_s - run.host.start_s:.3f} s"
    yield f"{which}{_command(run.command)}{where} {_end(run.exit_code)}{took}."
    if run.energy is not None:
        yield from _table(run.energy, _marks(run))
    if run.clock is not None:
        yield f"Begin and end are by the device's own clock, known to {run.clock.clock.uncertainty_s:.3f} s."
    for problem in run.problems:
        yield f"INVALID: {problem}."
    for check in run.checks:
        if check.verdict == "invalid" and check.remedy:
            yield f"Try: {check.remedy.rstrip('.')}."
    yield from run.notes


def _command(words: tuple[str, ...]) -> str:
    line = shlex.join(words)
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"


def _end(exit_code: int | None) -> str:
    if exit_code is None:
        return "was lost"
    return "ended well" if exit_code == 0 else f"FAILED with exit code {exit_code}"


def _marks(run: CommandRecord) -> str:
    emulated = {True: "EMULATED", False: "", None: "of an unknown meter"}[run.meter.emulated]
    return "  ".join(filter(None, ("" if run.valid else "INVALID", emulated)))


def _table(energy: CommandEnergy, marks: str) -> Iterator[str]:
    rows = (
        ("gross", energy.gross_j, f"mean {energy.mean_power_w:.3f} W, peak {energy.peak_power_w:.3f} W"),
        ("idle", energy.idle_j, f"{energy.idle_power_w:.3f} W before and after"),
        ("net", energy.net_j, f"wrong by up to {_bound(energy.net_error_j)}"),
    )
    width = max(len(f"{joules:.3f}") for _, joules, _ in rows)
    for name, joules, more in rows:
        yield f"  {name:<5}  {joules:>{width}.3f} J  {more}{f'  {marks}' if marks else ''}"


def _bound(error_j: float | None) -> str:
    return "an amount that is not known" if error_j is None else f"{bound_text(error_j)} J".replace("< ", "less than ")


def repeats_line(repeats: Repeats) -> str | None:
    """What several runs say together, None of one."""
    net = repeats.net
    if repeats.wanted < 2 or net is None:
        return None
    emulated = ", EMULATED" if any(run.meter.emulated for run in repeats.runs) else ""
    if net.kind == "single":
        return f"Net {net.mean:.3f} J in the one run that may be believed{emulated}."
    if net.kind == "range":
        return (
            f"Net {net.low:.3f} to {net.high:.3f} J in {counted(net.n, 'run')}, mean {net.mean:.3f} J{emulated}. This "
            f"is the range and no interval; from {LEAST_FOR_INTERVAL} runs on there is one."
        )
    return (
        f"Net {net.mean:.3f} J on average, 95 % interval {net.low:.3f} to {net.high:.3f} J (Student's t, "
        f"{counted(net.n, 'run')}){emulated}. It has the scatter of the runs, and not what every one is wrong by alike."
    )
