"""What there is to see of a meter at this moment, for every view alike."""

import time
from dataclasses import dataclass
from pathlib import Path

from groupnl_deploy.bench.recording import Recording
from groupnl_deploy.bench.recording_words import figure_words, gone_words, holes_words
from groupnl_deploy.watch.points import LivePoints, Point
from groupnl_deploy.words import counted
from power.errors import TraceFormatError
from power.marks import Mark, marks_path, read_marks
from power.running import Totals
from power.trace import MeterFacts


@dataclass(frozen=True)
class Moment:
    """Seconds since the recording began, what it amounts to, for how long the meter has been away, and its marks."""

    elapsed_s: float
    totals: Totals | None
    missing_s: float
    facts: MeterFacts
    marks: tuple[Mark, ...] = ()

    @property
    def is_gone(self) -> bool:
        """Whether the meter is away."""
        return bool(gone_words(self.missing_s))

    @property
    def words(self) -> tuple[str, ...]:
        """The marks that every view bears."""
        said = (("EMULATED", self.facts.emulated is True), ("INVALID", self.facts.renews_too_fast))
        return tuple(word for word, is_so in said if is_so)

    @property
    def figures(self) -> dict[str, str]:
        """The numbers with their units, by their names."""
        return figure_words(self.totals, self.facts)

    @property
    def status(self) -> str:
        """What else there is to say, in one sentence without its end."""
        if self.is_gone:
            return f"{gone_words(self.missing_s)}; plug it in again and it goes on".capitalize()
        now = self.totals
        if now is None:
            return "No measurement yet"
        rate = "" if now.rate_hz is None else f", {now.rate_hz:.1f} a second"
        return f"{counted(now.rows, 'measurement')} in {self.elapsed_s:.0f} s{rate}, {holes_words(now)}"


class Watched:
    """A meter in its recording, to be asked by any thread; `out` is the file that it is recorded into."""

    def __init__(self, running: Recording, points: LivePoints, out: Path | None) -> None:
        self._running, self._points, self._out = running, points, out
        self._t0_s = running.recorder.trace_so_far().t0_s
        self._marks: tuple[tuple[int, int] | None, tuple[Mark, ...]] = (None, ())

    def now(self) -> Moment:
        """The moment at hand."""
        recorder, source = self._running.recorder, self._running.source
        elapsed_s = time.monotonic() - self._t0_s
        return Moment(elapsed_s, recorder.totals, source.missing_s, recorder.facts, self._marked())

    def since(self, number: int) -> tuple[int, list[Point]]:
        """As `LivePoints.since`."""
        return self._points.since(number)

    def recent(self, seconds: float) -> list[Point]:
        """As `LivePoints.recent`."""
        return self._points.recent(seconds)

    def _marked(self) -> tuple[Mark, ...]:
        """The marks of the file, which is read again when it has changed; those known where it cannot be read."""
        if self._out is None:
            return ()
        try:
            found = marks_path(self._out).stat()
            stamp = (found.st_mtime_ns, found.st_size)
            if stamp != self._marks[0]:
                self._marks = stamp, read_marks(self._out)
        except (OSError, TraceFormatError):  # there is none yet, or it is being written
            pass
        return self._marks[1]
