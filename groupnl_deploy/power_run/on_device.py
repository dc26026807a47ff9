"""A command on a device: run by its login shell over OpenSSH's own client, as a person's `ssh` runs it. No agent.

Its words travel quoted, so each arrives as it is. A small shell around it tells when it begins and ends by the device's
clock, in lines that are taken out of its output again; it is started before the idle window, and waits for a newline,
so that what `ssh` and the login shell take is over when the command begins. A second session tells the device's clock.
"""

import os
import secrets
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

from groupnl_deploy.bench.clock import RoundTrip, synchronise
from groupnl_deploy.bench.reconnect import CLOCK_PROBES
from groupnl_deploy.errors import DeviceUnreachable
from groupnl_deploy.power_run.child import Child, Outputs
from groupnl_deploy.power_run.commands import (
    KILL_PATIENCE_S,
    OUTPUT_PATIENCE_S,
    Command,
    DeviceTimes,
    Ended,
    MakeCommand,
    command_not_found,
)
from groupnl_deploy.power_run.streams import Stamps
from groupnl_deploy.remote import ssh_refusals as refusals
from groupnl_deploy.remote.deadline import Deadline
from groupnl_deploy.remote.device import Device
from groupnl_deploy.remote.openssh import ClientLink
from groupnl_deploy.remote.ssh_process import kill_target
from groupnl_deploy.remote.ssh_target import find
from groupnl_deploy.remote.ssh_transport import SshTransport
from groupnl_deploy.remote.transport import Process
from power.trace_facts import finite

_ANSWER_S = 15.0
_LOOK_EVERY_S = 0.01
_TICK_S = 0.01  # /proc/uptime is cut to hundredths
# All of it builtins of the shell: nothing is started on the device but the command. The words of `ready` are those of
# `kill_target`. A signal for the group reaches the command; this shell outlives it, to tell of its end,
# also where it is `exec` or `exit`.
_AROUND = """
groupnl_token=$1; shift
groupnl_tell() { read -r groupnl_up _ </proc/uptime; printf '%s%s %s %s\\n' "$groupnl_token" "$1" "$groupnl_up" "$2"; }
{ read -r _ _ _ _ groupnl_group _ </proc/self/stat; } 2>/dev/null
groupnl_tell ready "$$ $PPID ${groupnl_group:-0}"
read -r _ || exit 0
trap : INT TERM HUP
groupnl_tell begin
("$@")
groupnl_code=$?
groupnl_tell end "$groupnl_code"
exit "$groupnl_code"
"""
_CLOCK = 'while read -r _; do read -r up _ </proc/uptime; echo "$up"; done'


@dataclass(frozen=True)
class _Probe:
    """A round trip; `device_s` is the middle of the tick that was read."""

    sent_s: float
    received_s: float
    device_s: float


class DeviceCommand:
    """One run of a command over a connection that stands."""

    def __init__(
        self, link: ClientLink, transport: SshTransport, clock: Process, argv: Sequence[str], outputs: Outputs
    ) -> None:
        self._link, self._transport, self._clock = link, transport, clock
        self._argv, self._outputs = argv, outputs
        self._stamps = Stamps(f"\x1egroupnl-{secrets.token_hex(12)} ".encode())
        self._child: Child | None = None
        self._before: list[RoundTrip] = []
        self._sent_s = 0.0
        self._victim, self._is_killed = "", False

    def prepare(self) -> None:
        """Look for the program there, compare the clocks, and open the session that the command will run in."""
        look = 'command -v "$1" >/dev/null'
        if self._transport.run(["/bin/sh", "-c", look, "sh", self._argv[0]], _ANSWER_S).exit_code:
            raise command_not_found(self._argv[0], f"on the device “{self._transport.name}”, seen from its home folder")
        self._before = self._probed()
        line = shlex.join(["/bin/sh", "-c", _AROUND, "sh", self._stamps.token, *self._argv])
        self._child = Child(self._link.client_command(line), self._outputs, subprocess.PIPE, self._stamps.take)
        self._victim = kill_target(*self._told("ready")[1].split())

    def require_ready(self) -> None:
        """The session still waits."""
        if self._child is None or self._child.ended(0):
            raise refusals.link_lost(self._link.target)

    def start(self) -> None:
        """Let it begin, with an empty stdin."""
        assert self._child is not None and self._child.stdin is not None
        self._sent_s = time.monotonic()
        try:
            os.write(self._child.stdin, b"\n")
        except OSError as error:
            raise refusals.link_lost(self._link.target) from error
        self._child.close_stdin()

    def with_terminal(self) -> AbstractContextManager[bool]:
        """Ours is here, and stays ours."""
        return nullcontext(False)

    def ended(self, timeout_s: float) -> bool:
        """Whether it has ended, or the link. What it leaves there may hold its output, and so the client, longer."""
        assert self._child is not None
        end = Deadline.after(timeout_s)
        while not (is_over := self._has_told("end") or self._child.ended(_LOOK_EVERY_S)) and not end.expired:
            continue
        return is_over

    def send(self, number: int) -> None:
        """To its group there, over another session: the client has no way to pass one on."""
        self._is_killed = number == signal.SIGKILL
        with suppress(DeviceUnreachable):  # then it cannot be reached, which its end will tell
            channel = self._link.start(f"kill -{signal.Signals(number).name.removeprefix('SIG')} {self._victim}")
            channel.status_event.wait(KILL_PATIENCE_S)
            channel.close()

    def settle(self) -> Ended:
        """What the device told."""
        assert self._child is not None
        told_s = time.monotonic()
        ended_output = self._child.output_ended(OUTPUT_PATIENCE_S)
        if self._is_killed and not self._has_told("end"):  # so was the shell that would have told
            return Ended(self._sent_s, told_s, 128 + signal.SIGKILL, None, not ended_output, self._child.problem)
        begin_s, _ = self._told("begin")
        end_s, code = self._told("end")
        times = self._times(begin_s + _TICK_S / 2, end_s + _TICK_S / 2)
        start_s = max(times.clock.host_s(round(times.start_s * 1e9)), self._sent_s)
        return Ended(
            start_s,
            # Within one tick nothing tells how long it took, and the two bounds here may even cross.
            max(min(times.clock.host_s(round(times.end_s * 1e9)), told_s), start_s + _TICK_S),
            int(code),
            times,
            left_running=not ended_output,
            output_problem=self._child.problem,
        )

    def _times(self, begin_s: float, end_s: float) -> DeviceTimes:
        after = self._probed()
        clock = synchronise(self._before, after)
        span_s = min(probe.device_s for probe in after) - max(probe.device_s for probe in self._before)
        told_apart_s = _TICK_S + 2 * clock.uncertainty_s
        excess = max(0.0, abs(clock.drift) * span_s - told_apart_s) / span_s if span_s > 0 else 0.0
        return DeviceTimes(begin_s, end_s, replace(clock, uncertainty_s=clock.uncertainty_s + _TICK_S), excess)

    def _probed(self) -> list[RoundTrip]:
        return [_probe(self._clock, self._link) for _ in range(CLOCK_PROBES)]

    def _told(self, what: str) -> tuple[float, str]:
        """The device's clock and the words of one of our lines, once it has come."""
        end = Deadline.after(_ANSWER_S)
        while not end.expired:
            is_over = self._child is None or (self._child.ended(0) and self._child.output_ended(0))
            if (words := self._words(what)) is not None:
                up, _, more = words.partition(" ")
                return _seconds(up, self._transport.name), more
            if is_over:
                raise refusals.link_lost(self._link.target)
            time.sleep(_LOOK_EVERY_S)
        raise refusals.link_lost(self._link.target)

    def _words(self, what: str) -> str | None:
        """Behind the name of one of our lines, as far as it has come."""
        lines = (record.decode(errors="replace").partition(" ") for record in list(self._stamps.records))
        return next((words for name, _, words in lines if name == what), None)

    def _has_told(self, what: str) -> bool:
        return self._words(what) is not None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._child is None or self._child.ended(0):
            return
        self._child.close_stdin()
        if self._sent_s and not self._has_told("end"):
            self.send(signal.SIGKILL)
        if self._has_told("end") or not self._child.ended(KILL_PATIENCE_S):
            self._child.send(signal.SIGKILL)  # the client alone


@contextmanager
def commands_on(device: Device, argv: Sequence[str]) -> Iterator[MakeCommand]:
    """Makes runs of one command on a device, over one connection.

    Raises `UsageError` without an OpenSSH client here, and `DeviceUnreachable`.
    """
    link = ClientLink(find(device))
    with SshTransport(device, link) as transport:
        clock = transport.spawn(["/bin/sh", "-c", _CLOCK])

        def make(outputs: Outputs) -> Command:
            return DeviceCommand(link, transport, clock, argv, outputs)

        yield make


def _probe(clock: Process, link: ClientLink) -> _Probe:
    sent_s = time.monotonic()
    clock.send_line(b"")
    line = clock.read_line(_ANSWER_S)
    received_s = time.monotonic()
    if line is None:
        raise refusals.link_lost(link.target)
    return _Probe(sent_s, received_s, _seconds(line.decode(errors="replace"), link.target.device_name) + _TICK_S / 2)


def _seconds(text: str, device: str) -> float:
    try:
        return finite(text)
    except ValueError as error:
        raise DeviceUnreachable(
            f"The device “{device}” does not tell its clock (/proc/uptime).",
            "Commands are measured on Linux; run it here, over your own ssh: power run -- ssh DEVICE COMMAND.",
        ) from error
