"""An agent that says what a script says, over the real wire to the real client, at times of its own.

Nothing computes and nobody waits: the clocks of host and device are the script's. So what comes out of a benchmark is
known beforehand, to the digit.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from device_agent.messages.bench import BenchDone, BenchFrame, BenchRequest, ImagePayload
from device_agent.messages.clock import Ping, Pong
from device_agent.wire import Message, decode, encode
from groupnl_deploy.bench.result import BenchMessage
from groupnl_deploy.remote.transport import SILENCE_S, GoOn, never


@dataclass
class ScriptedClocks:
    """The host's clock, and the device's: `offset_ns` behind when that reads zero, and slower by `drift`."""

    device_ns: int
    offset_ns: int
    drift: float = 0.0

    def monotonic(self) -> float:
        """The host's clock in seconds; it stands in for the module `time`."""
        return (self.device_ns + self.offset_ns + round(self.drift * self.device_ns)) / 1e9


@dataclass
class ScriptedProcess:
    """The agent's end of the line: takes requests, and answers as the script says.

    Args:
        clocks: moved on by half of `round_trip_ns` on either way of a question for the time, and by a benchmark to its
            end.
        messages: of the benchmark, from `BenchBegun` to `BenchDone`.
        ends_ns: when the benchmark ends, on the device's clock.
    """

    clocks: ScriptedClocks
    messages: Sequence[BenchMessage]
    ends_ns: int
    round_trip_ns: int = 1_000_000
    heard: list[Message] = field(default_factory=list)
    _lines: list[bytes] = field(default_factory=list)

    def send(self, data: bytes, timeout_s: float = SILENCE_S, go_on: GoOn = never) -> None:
        """Requests, a line each."""
        for line in filter(None, data.split(b"\n")):
            self.heard.append(message := decode(line))
            if isinstance(message, Ping):
                self.clocks.device_ns += self.round_trip_ns // 2
                self._lines.append(encode(Pong(self.clocks.device_ns)))
            elif isinstance(message, BenchRequest):
                self._lines += [encode(one) for one in self.messages]

    def read_line(self, timeout_s: float) -> bytes | None:
        """What the script says next."""
        line = self._lines.pop(0)
        message = decode(line)
        if isinstance(message, Pong):
            self.clocks.device_ns += self.round_trip_ns // 2
        elif isinstance(message, BenchDone):
            self.clocks.device_ns = self.ends_ns
        return line

    def has_line(self) -> bool:
        """Whether there is more to say."""
        return bool(self._lines)

    def stderr_tail(self) -> str:
        """Nothing."""
        return ""

    def exit_code(self, timeout_s: float) -> int | None:
        """It goes on."""
        return None

    @property
    def images(self) -> list[ImagePayload]:
        """Those that arrived."""
        return [one for one in self.heard if isinstance(one, ImagePayload)]

    @property
    def frames(self) -> list[BenchFrame]:
        """What the host said of the run."""
        return [one for one in self.heard if isinstance(one, BenchFrame)]
