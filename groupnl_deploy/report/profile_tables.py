"""A run's profile as tables, and what has to be said below them. Pure.

The marks of estimates, of emulated energy and of invalid runs are part of the cells or headings, so that no copy loses
them.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from device_agent.backend_table import BACKENDS
from groupnl_deploy.report.marks import marks
from groupnl_deploy.report.profile import OUTSIDE, LayerTime, RunProfile

if TYPE_CHECKING:
    from groupnl_deploy.report.build import Report
    from groupnl_deploy.report.row import ReportRow

ESTIMATE_NOTE = (
    "est.: an estimate, the share of the operators' time times the gross energy of one inference in the steady window. "
    "An operator that draws more power than the others costs more than that."
)
_NOTHING = "–"


@dataclass(frozen=True)
class ProfileTable:
    """A heading over the table; headings of its columns, each with whether it is numeric; the cells of every row."""

    title: str
    headings: tuple[tuple[str, bool], ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class ProfileSection:
    """The profile of one run: what it was of, its tables, and what is said below them."""

    title: str
    tables: tuple[ProfileTable, ...]
    notes: tuple[str, ...]


class _Timed(Protocol):
    @property
    def ms(self) -> float: ...
    @property
    def share(self) -> float: ...
    @property
    def energy_estimate_j(self) -> float | None: ...


def profile_sections(report: "Report") -> tuple[ProfileSection, ...]:
    """One for each run that was profiled, in the rows' order."""
    return tuple(profile_section(row) for row in report.rows if row.profile is not None)


def profile_section(row: "ReportRow") -> ProfileSection:
    """Of a row that has a profile. Raises `ValueError` for one that was not profiled."""
    profile = row.profile
    if profile is None:
        raise ValueError(f"{row.run} was not profiled")
    title = f"{row.run}: where the time of one inference goes, {row.model} with {row.backend} on {row.device}"
    if profile.problem is not None:
        return ProfileSection(title, (), (f"There is no profile: {profile.problem.rstrip('.')}.",))
    mark = _Mark(marks(row, "time"), marks(row, "energy"), profile.emulated)
    kinds = (_layer_kinds(profile, mark),) if any(layer.kind for layer in profile.layers) else ()
    tables = (_layers(profile, mark), *kinds, _operators(profile, mark))
    return ProfileSection(title, tables, tuple(_notes(row, profile)))


@dataclass(frozen=True)
class _Mark:
    """What stands behind times, and behind energies, that are no results; `emulated` is None without a meter."""

    times: str
    energies: str
    emulated: bool | None

    def headings(self) -> tuple[tuple[str, bool], ...]:
        energy = () if self.emulated is None else (("est. (mJ)", True),)
        return (("Share (%)", True), ("Time (ms)", True), *energy)

    def cells(self, one: _Timed) -> tuple[str, ...]:
        joules = one.energy_estimate_j
        energy = _NOTHING if joules is None else f"{1e3 * joules:.3f}{self.energies}"
        times = (f"{100 * one.share:.1f}{self.times}", self.ms(one.ms))
        return times if self.emulated is None else (*times, energy)

    def ms(self, ms: float | None) -> str:
        return _NOTHING if ms is None else f"{ms:.3f}{self.times}"


def _layers(profile: RunProfile, mark: _Mark) -> ProfileTable:
    split = any(layer.seeds_ms is not None for layer in profile.layers)
    more = (("Seeds (ms)", True), ("Generated (ms)", True)) if split else ()
    rows = []
    for one in profile.layers:
        parts = (mark.ms(one.seeds_ms), mark.ms(one.generated_ms)) if split else ()
        rows.append((one.layer, one.kind or _NOTHING, str(one.operators), *mark.cells(one), *parts))
    headings = (("Layer", False), ("Kind", False), ("Operators", True), *mark.headings(), *more)
    return ProfileTable("By layer, in the order in which they run", headings, tuple(rows))


@dataclass(frozen=True)
class _Sum:
    ms: float
    share: float
    energy_estimate_j: float | None


def _layer_kinds(profile: RunProfile, mark: _Mark) -> ProfileTable:
    grouped: dict[str, list[LayerTime]] = {}
    for one in profile.layers:
        grouped.setdefault(one.kind or _NOTHING, []).append(one)
    sums = sorted(((kind, len(same), _sum(same)) for kind, same in grouped.items()), key=lambda found: -found[2].ms)
    rows = tuple((kind, str(count), *mark.cells(total)) for kind, count, total in sums)
    return ProfileTable("By kind of layer", (("Kind", False), ("Layers", True), *mark.headings()), rows)


def _sum(layers: Sequence[LayerTime]) -> _Sum:
    energies = [one.energy_estimate_j for one in layers if one.energy_estimate_j is not None]
    energy = sum(energies) if len(energies) == len(layers) else None
    return _Sum(sum(one.ms for one in layers), sum(one.share for one in layers), energy)


def _operators(profile: RunProfile, mark: _Mark) -> ProfileTable:
    rows = tuple((one.kind, f"{one.calls:g}", *mark.cells(one)) for one in profile.kinds)
    return ProfileTable("By operator", (("Operator", False), ("Calls", True), *mark.headings()), rows)


def _notes(row: "ReportRow", profile: RunProfile) -> Iterator[str]:
    yield (
        f"Of {profile.runs} inferences under the profiler, {profile.wall_ms:.3g} ms each; shares are of the operators' "
        f"time, which is {100 * profile.covered:.1f} % of that. The rest is between them: the runtime's, and the "
        "profiler's own."
    )
    if profile.slowdown is not None:
        yield (
            f"Under the profiler the median inference took {profile.slowdown:.3g} times as long as in the steady "
            "window."
        )
    entry = BACKENDS.get(row.backend)
    if entry is not None and entry.profiler_note is not None:
        yield entry.profiler_note
    if any(layer.seeds_ms is not None for layer in profile.layers):
        yield "Seeds: the seed convolution. Generated: all behind it, with norm and activation that follow the layer."
    if any(layer.layer == OUTSIDE for layer in profile.layers):
        yield f"{OUTSIDE} is what the network does outside its layers and blocks."
    yield from _about_energy(row, profile)
    if not row.valid:
        yield f"! INVALID: {row.problems[0]}. Times and energies of a disturbed run are no result."


def _about_energy(row: "ReportRow", profile: RunProfile) -> Iterable[str]:
    if profile.emulated is None:
        return
    yield ESTIMATE_NOTE
    if profile.emulated:
        yield "* EMULATED: the energy comes from the emulated meter, and is no measurement of any device."
