"""What every power meter offers to the recorder.

A meter without a queue answers with its newest measurement, which may be the one it gave before; a meter with
a queue answers with all it has taken since, each once. The recorder treats both alike.
"""

from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from power.errors import MeterUnreachable
from power.trace import MeterFacts


@dataclass(frozen=True)
class Measurement:
    """One measurement of a meter.

    `t_s` is the host's `time.monotonic()`: midway between request and reply, or the meter's own time stamp
    brought to that clock. `current_a` carries the sign that the meter's facts state. `identity` holds the raw
    numbers by which a repeated measurement is recognised.
    """

    t_s: float
    voltage_v: float
    current_a: float
    identity: tuple[int, ...]

    @property
    def power_w(self) -> float:
        """Watts, signed as the current is."""
        return self.voltage_v * self.current_a


def closed(source: str) -> MeterUnreachable:
    """The error of reading from a meter that has been closed; `source` begins the sentence."""
    return MeterUnreachable(f"{source} has been closed.", "Open it again before reading.")


def with_sign(sign: int, value: float) -> float:
    """A current (or what follows from one) turned by the sign of the meter's facts; 0.0 rather than -0.0."""
    return sign * value + 0.0


class Meter(Protocol):
    """A meter that is open, and the base of those here. As a context manager it closes itself.

    Opening it sends nothing to it: what is plugged in may turn out to be another device than was meant. Only
    `read` does.
    """

    @property
    def facts(self) -> MeterFacts:
        """What must be known to judge its numbers."""
        ...

    @property
    def serial_number(self) -> str | None:
        """That of the USB device behind it, None where there is none or nobody tells."""
        return None

    @property
    def remarks(self) -> tuple[str, ...]:
        """Sentences for whoever judges its numbers, such as of a file that it plays."""
        return ()

    def read(self) -> tuple[Measurement, ...]:
        """Ask once and wait for the reply: its measurements in time order, perhaps none, perhaps a repeat.

        Raises `MeterUnreachable` or `MeterProtocolError`, both after a bounded time, and `EndOfRecording`
        where the source is a recording that has been read to its end.
        """
        ...

    def close(self) -> None:
        """Give the device back; harmless when called again."""
        ...

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
