"""A benchmark survives its link: what it says is sent while the link stands, and kept until a host has the result.

A lost link is an end of stdin, a stdout that takes nothing any more, or a hang-up (SIGHUP) by a later agent that the
same host asks for its benchmark. From then on the process writes to nobody and has a session of its own; the benchmark
goes on to its end and its result is spooled (`spool.py`). The link that stands at the end may be dead all the same: the
result is also spooled where no receipt comes.

Until its link is lost the agent stays in the process group that the host's end of the link can kill.
"""

import os
import select
import signal
from contextlib import suppress
from pathlib import Path

from device_agent.messages.bench import MARGIN_S, BenchNews, BenchRequest, PhaseMark
from device_agent.messages.greeting import AgentFault
from device_agent.running import Beacon
from device_agent.spool import keep, spooled
from device_agent.wire import Message, encode

RECEIPT_S = 60.0
"""How long a result waits for the host's receipt: the host's meter closes its last window and the run is stored."""

_STUCK_S = 10.0  # without a byte taken; all marks of a benchmark together do not fill the buffers on the way
_ALARM_S = 10.0  # so much later than the host
_SPOOL_S = 60.0  # to flush a result to a slow card


class DetachableBench:
    """One benchmark, from its beginning to the host's receipt or the spool. `stdout` is a descriptor."""

    def __init__(self, root: Path, request: BenchRequest, label: str, frame: str, stdout: int) -> None:
        self.request, self.lost, self.over = request, False, False
        self._root, self._label, self._frame, self._stdout = root, label, frame, stdout
        self._lines: list[bytes] = []
        self._fault: AgentFault | None = None
        with suppress(OSError):  # now, when there may still be room
            (root / "spool").mkdir(exist_ok=True)
        self._beacon = Beacon(root, request, label)
        self._patience_s = MARGIN_S
        self._live()

    def tell(self, message: BenchNews) -> None:
        """Keep it, and send it as `send` does."""
        if isinstance(message, PhaseMark):
            self._beacon.enter(message)
            self._patience_s = message.patience_s
        self._live()
        self._lines.append(encode(message))
        self._send(self._lines[-1])

    def finish(self, answer: Message) -> None:
        """It has come to its end with `BenchDone` or a fault."""
        self.over = True
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        self._beacon.expect_end(RECEIPT_S + _SPOOL_S)
        if isinstance(answer, AgentFault):
            self._fault = answer
        else:
            self._lines.append(encode(answer))
        self.send(answer)

    def send(self, message: Message) -> None:
        """While the link stands; never waits long for one that takes nothing."""
        self._send(encode(message))

    def lose_link(self) -> None:
        """From now on it is carried out for the spool. Calling it again is fine."""
        if self.lost:
            return
        self.lost = True
        self._beacon.detach()
        with suppress(OSError):  # it leads one already
            os.setsid()
        nowhere = os.open(os.devnull, os.O_RDWR)
        for descriptor in (1, 2, self._stdout):  # what libraries say, too, must meet no broken or stuck pipe
            os.dup2(nowhere, descriptor)
        os.close(nowhere)

    def spool(self) -> None:
        """Keep the result on the disk. What the disk refuses, the spool tells of."""
        with suppress(OSError):
            keep(self._root, spooled(self.request, self._label, self._frame, self._fault, self._lines), self._lines)

    def _live(self) -> None:
        """Who hangs is ended by the kernel, whatever it hangs in: a link that is lost has no host to end it."""
        alarm_s = self._patience_s + _ALARM_S
        signal.setitimer(signal.ITIMER_REAL, alarm_s)
        self._beacon.expect_end(alarm_s + _ALARM_S)  # who is frozen hears no alarm

    def _send(self, line: bytes) -> None:
        if self.lost:
            return
        try:
            _write(self._stdout, line + b"\n", _STUCK_S)
        except OSError:  # a time-out is one
            self.lose_link()


def _write(descriptor: int, data: bytes, stuck_s: float) -> None:
    """Write all of it. Raises `TimeoutError` where nothing was taken for `stuck_s`: a write that blocks never returns.

    A pipe that can be written to takes PIPE_BUF bytes without blocking, and so does a socket.
    """
    poller, left = select.poll(), memoryview(data)
    poller.register(descriptor, select.POLLOUT)
    while left:
        if not poller.poll(1000 * stuck_s):
            raise TimeoutError
        left = left[os.write(descriptor, left[: select.PIPE_BUF]) :]
