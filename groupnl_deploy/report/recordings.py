"""A recording as it is drawn: with the phases of its run, what somebody marked, and what is wrong with it. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from groupnl_deploy.report.phases import PhaseTime
from groupnl_deploy.report.time_axis import TimeAxis, common_label, time_axis
from power import renewal
from power.energy import Energy, EnergyIndex
from power.marks import Mark


def readable(value: float) -> str:
    """Four digits, and no power of ten where there are more before the point."""
    return f"{value:,.0f}" if 1e4 <= abs(value) < 1e12 else f"{value:.4g}"


@dataclass(frozen=True)
class DrawnRecording:
    """One recording, ready to integrate; phases and marks are on its own clock.

    `name` tells it from others, `title` says what ran, `about` has lines on that, and `problems` are why its run is
    invalid.
    """

    name: str
    index: EnergyIndex
    phases: tuple[PhaseTime, ...] = ()
    marks: tuple[Mark, ...] = ()
    problems: tuple[str, ...] = ()
    title: str = ""
    about: str = ""

    @property
    def emulated(self) -> bool | None:
        """Whether an emulated meter made it; None where nobody says."""
        return self.index.trace.facts.emulated

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it is invalid; none of a sound one."""
        fast = (f"{renewal.WHAT}. How wrong the joules are is not known",) if self.index.renews_too_fast else ()
        return (*self.problems, *fast)

    @property
    def words(self) -> tuple[str, ...]:
        """The marks that every picture of it bears."""
        said = (("EMULATED", self.emulated is True), ("INVALID", bool(self.reasons)))
        return tuple(word for word, is_so in said if is_so)

    @property
    def seconds(self) -> float:
        """From its first row to its last."""
        return float(self.index.trace.t_s[-1] - self.index.trace.t_s[0])

    @property
    def holes_s(self) -> float:
        """For how long nothing was measured."""
        return sum(end - begin for begin, end in self.index.holes_s)

    @property
    def total(self) -> str:
        """Its joules, or why it has none."""
        if self.index.holes_s:
            return f"{self.holes_s:.3g} s without measurement, so no joules of the whole"
        whole = self.whole
        return f"{readable(whole.energy_j)} J in {readable(whole.duration_s)} s, mean {whole.mean_power_w:.4g} W"

    @property
    def total_sentence(self) -> str:
        """The total by itself; of a run it must not be taken for the joules of its work, as idling is in it too."""
        return f"The whole recording: {self.total}." if self.phases else f"{self.total}."

    @property
    def whole(self) -> Energy:
        """All of it, as one window. Raises `SampleGap` where it has a hole."""
        return self.index.window(float(self.index.trace.t_s[0]), float(self.index.trace.t_s[-1]))

    @property
    def meter(self) -> str:
        """Who measured, how, and how often."""
        facts, rows = self.index.trace.facts, len(self.index.trace.t_s)
        source = f"Meter {facts.meter} over {facts.transport}, {facts.field}, sign {facts.sign:+d}."
        return f"{source}  {rows:,} rows, a measurement every {self.index.update_period_s:.3g} s."


@dataclass(frozen=True)
class Overlaid:
    """Recordings over one another, each counted from its own zero, and what the axis below them is called."""

    recordings: tuple[DrawnRecording, ...]
    axes: tuple[TimeAxis, ...]
    label: str

    @property
    def alone(self) -> DrawnRecording | None:
        """The recording where there is one."""
        return self.recordings[0] if len(self.recordings) == 1 else None

    @property
    def words(self) -> tuple[str, ...]:
        """The marks of any of them."""
        return tuple(dict.fromkeys(word for one in self.recordings for word in one.words))

    @property
    def when(self) -> str:
        """When the one recording's zero was, "" of several or where nobody knows it."""
        return self.axes[0].when if self.alone else ""


def overlaid(recordings: Sequence[DrawnRecording]) -> Overlaid:
    """At least one recording, ready to be drawn."""
    axes = tuple(time_axis(one.index.trace, alone=len(recordings) == 1) for one in recordings)
    return Overlaid(tuple(recordings), axes, common_label(axes))
