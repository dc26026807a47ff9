"""Two monotonic clocks made one: the device's times on the host's clock, with a stated uncertainty. Pure.

Offset and uncertainty follow Cristian's algorithm: the device read its clock somewhere between the request
and the answer, so the midpoint is off by at most half the round trip. The probe with the smallest round trip
is the best one; one taken before the work and one after give the drift.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


class RoundTrip(Protocol):
    """One probe: host clock before and after, device clock in between, all in seconds."""

    @property
    def sent_s(self) -> float: ...
    @property
    def received_s(self) -> float: ...
    @property
    def device_s(self) -> float: ...


LARGEST_DRIFT = 6e-4
"""What quartz and NTP's slewing of it stay below; dimensionless."""


@dataclass(frozen=True)
class ClockSync:
    """host = device + offset_s + drift · (device − at_device_s); wrong by at most `uncertainty_s`.

    `drift` is dimensionless (1e-6 is one microsecond a second).
    """

    offset_s: float
    at_device_s: float
    drift: float
    uncertainty_s: float

    def host_s(self, device_ns: int) -> float:
        """The host's monotonic time, in seconds, of a device time in nanoseconds."""
        device_s = device_ns / 1e9
        return device_s + self.offset_s + self.drift * (device_s - self.at_device_s)


def synchronise(before: Sequence[RoundTrip], after: Sequence[RoundTrip]) -> ClockSync:
    """Fit the two clocks from probes made before and after a run; each needs at least one."""
    first, last = min(before, key=_round_trip_s), min(after, key=_round_trip_s)
    span_s = last.device_s - first.device_s
    drift = (_offset_s(last) - _offset_s(first)) / span_s if span_s > 0 else 0.0
    uncertainty_s = max(_round_trip_s(first), _round_trip_s(last)) / 2
    return ClockSync(_offset_s(first), first.device_s, drift, uncertainty_s)


def from_before(before: Sequence[RoundTrip], until_device_s: float) -> ClockSync:
    """From the probes made before a run alone, good until then on the device's clock: a link that was lost was not
    there for others. The drift is taken for none, and the largest that there can be is in the uncertainty.
    """
    first = min(before, key=_round_trip_s)
    drifted_s = LARGEST_DRIFT * max(0.0, until_device_s - first.device_s)
    return ClockSync(_offset_s(first), first.device_s, 0.0, _round_trip_s(first) / 2 + drifted_s)


def _round_trip_s(probe: RoundTrip) -> float:
    return probe.received_s - probe.sent_s


def _offset_s(probe: RoundTrip) -> float:
    return (probe.sent_s + probe.received_s) / 2 - probe.device_s
