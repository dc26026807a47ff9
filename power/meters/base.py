"""What every power meter offers to the recorder."""

from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from power.trace import MeterFacts


@dataclass(frozen=True)
class Measurement:
    """One reply of a meter.

    `t_s` is the host's `time.monotonic()` midway between request and reply. `current_a` carries the sign that
    the meter's facts state. `identity` holds the raw numbers by which a repeated reply is recognised.
    """

    t_s: float
    voltage_v: float
    current_a: float
    identity: tuple[int, ...]

    @property
    def power_w(self) -> float:
        """Watts, signed as the current is."""
        return self.voltage_v * self.current_a


class Meter(Protocol):
    """A meter that is open. As a context manager it closes itself."""

    @property
    def facts(self) -> MeterFacts:
        """What must be known to judge its numbers."""
        ...

    def read(self) -> Measurement:
        """Ask once and wait for the reply, which may repeat the last one.

        Raises `MeterUnreachable` or `MeterProtocolError`, both after a bounded time.
        """
        ...

    def close(self) -> None:
        """Give the device back; harmless when called again."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
