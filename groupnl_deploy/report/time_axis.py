"""What a recording's times are counted from, in words for an axis. Pure.

Times of ours are seconds since the recording began. Those from elsewhere may be seconds since 1970: a picture counts
from the first row then, and says when that was. Of any other clock nobody knows what its zero is.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from power.time_units import EPOCH_S
from power.trace import PowerTrace

SINCE_BEGIN = "Seconds since the recording began"
SINCE_FIRST_ROW = "Seconds since the recording's first row"
OWN_CLOCK = "Seconds by the recording's own clock"
SINCE_EACH_BEGIN = "Seconds since each recording began"


@dataclass(frozen=True)
class TimeAxis:
    """The `t_s` that a picture calls 0, what its axis is called, and when that instant was, where it is known."""

    zero_s: float
    label: str
    began: datetime | None

    @property
    def when(self) -> str:
        """The instant in words, "" where nobody knows it."""
        return "" if self.began is None else f"{self.began:%Y-%m-%d %H:%M:%S} UTC"


def time_axis(trace: PowerTrace, *, alone: bool = True) -> TimeAxis:
    """The axis of a recording with at least one row; one that is not `alone` begins at 0 as the others do."""
    first_s, last_s = float(trace.t_s[0]), float(trace.t_s[-1])
    if EPOCH_S[0] <= first_s and last_s <= EPOCH_S[1]:
        return TimeAxis(first_s, SINCE_FIRST_ROW, datetime.fromtimestamp(first_s, UTC))
    if trace.started_at is not None:
        return TimeAxis(0.0, SINCE_BEGIN, _in_utc(trace.started_at))
    if trace.t0_s:
        return TimeAxis(0.0, SINCE_BEGIN, None)
    if alone and first_s:
        return TimeAxis(0.0, OWN_CLOCK, None)
    return TimeAxis(first_s, SINCE_FIRST_ROW, None)


def common_label(axes: tuple[TimeAxis, ...]) -> str:
    """What one axis below several recordings is called."""
    labels = {axis.label for axis in axes}
    return labels.pop() if len(axes) == 1 else SINCE_EACH_BEGIN


def _in_utc(instant: str) -> datetime:
    when = datetime.fromisoformat(instant)
    return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
