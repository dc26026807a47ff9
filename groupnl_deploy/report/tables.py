"""Report rows as a table: the columns of the paper's Tables 11 and 12, and what has to be said below them.

The marks of emulated energy and of untrained nets are part of the cells, so that no copy loses them.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from device_agent.manifest import PICKED
from groupnl_deploy.bench.check import Doubts
from groupnl_deploy.bench.energy import RunEnergy
from groupnl_deploy.bench.incomplete import fetch_command
from groupnl_deploy.bench.run import RUN_DIGEST
from groupnl_deploy.bench.validity import doubted
from groupnl_deploy.images.confusion import Confusion
from groupnl_deploy.report.build import IncompleteRow, Report
from groupnl_deploy.report.classes import class_sections
from groupnl_deploy.report.front import FRONT_NOTE, front_cells, has_front
from groupnl_deploy.report.repeats import Group, disagreements, folded, groups_of
from groupnl_deploy.report.robustness import asked_of, robustness_notes
from groupnl_deploy.report.row import ReportRow
from groupnl_deploy.report.traits import differing, shared
from groupnl_deploy.words import first_few
from power.edge_error import ASSUMES

EMULATED_NOTE = (
    "* EMULATED: this power and energy comes from the emulated meter on a pseudo-terminal. "
    "It tests the pipeline and is no measurement of any device."
)
EMULATED_BOARD_NOTE = (
    "EMULATED BOARD: an emulator computed. The answers are the model's, and no time, memory or energy is any board's: "
    "none is shown."
)
INVALID_NOTE = (
    "! INVALID: something disturbed this measurement or was wrong with it, as said below. Such a number is no result."
)
_WITHOUT_NUMBER = (_NO_METER, _NO_JOULES, _NO_BOARD) = ("–", "invalid", "emulated")
_MOST_NAMED = 3  # runs in one sentence
CAPTION = "Time is for 100 images, as in the paper's Tables 11 and 12."
METERED_CAPTION = "Time and energy are for 100 images, as in the paper's Tables 11 and 12; mJ are per inference."


@dataclass(frozen=True)
class Column:
    """A heading and how a row fills it; `doubts` is what must be believed for the cell to be a result.

    `names` is whether it says what the row is of, so that a narrow form may put all such columns into one.
    """

    heading: str
    fill: Callable[[ReportRow], str]
    numeric: bool = True
    doubts: Doubts | None = None
    names: bool = False

    def cell(self, row: ReportRow) -> str:
        """The row's text in this column, marked where the run is invalid."""
        text = self.fill(row)
        marked = self.doubts is not None and doubted(row.checks, self.doubts) and text not in _WITHOUT_NUMBER
        return f"{text}!" if marked else text


@dataclass(frozen=True)
class Table:
    """The table of a report: one row for each thing, repeats folded, and the columns that these rows need."""

    columns: tuple[Column, ...]
    groups: tuple[Group, ...]

    @property
    def rows(self) -> tuple[ReportRow, ...]:
        """In the order of their first runs."""
        return tuple(group.row for group in self.groups)


def table_of(report: Report) -> Table:
    """The report's table."""
    groups = groups_of(report)
    return Table(columns(folded(report), groups), groups)


def columns(report: Report, groups: Sequence[Group] = ()) -> tuple[Column, ...]:
    """The columns that this report needs: one for each thing its rows differ in; energy's where a run had a meter.

    Runs are called by name where a note is about one of them. Where `groups` have repeats, of which the rows are
    medians, their ranges have columns.
    """
    metered = any(row.emulated is not None for row in report.rows)
    invalid = not all(row.valid for row in report.rows)
    named = _RUN if len(report.rows) > 1 and any(map(_is_named, report.rows)) else ()
    others = {column.heading for column in (_MODEL, *named)}
    traits = [trait for trait in differing(report.rows) if trait.heading not in others]
    identity = (_MODEL, *(Column(trait.heading, trait.text, numeric=False, names=True) for trait in traits))
    speed = () if _only_emulated_boards(report) else _SPEED
    ranges = _ranges({group.row.run: group for group in groups}, bool(speed), metered)
    energy = _ENERGY if metered else ()
    valid = _VALID if invalid else ()
    return (*identity, *named, *valid, *ranges, *speed, *energy, *_front(report), *_ACCURACY, *_robustness(report))


def _ranges(groups: Mapping[str, Group], speed: bool, metered: bool) -> tuple[Column, ...]:
    """How many runs each row is the median of, and how far they lie apart."""
    if all(len(group.runs) == 1 for group in groups.values()):
        return ()

    def between(name: str, scale: float, marks: Callable[[ReportRow], str]) -> Callable[[ReportRow], str]:
        def fill(row: ReportRow) -> str:
            found = groups[row.run].spreads.get(name)
            if found is None or found.kind == "single":
                return "–"
            return f"{scale * found.low:.2f} to {scale * found.high:.2f}{marks(row)}"

        return fill

    counted = Column("Runs", lambda row: _of_runs(groups[row.run]))
    p50 = Column("p50 of runs (ms)", between("p50_ms", 1.0, lambda _: ""), doubts="time")
    emulated = between("energy_j", 1e3, lambda row: "*" if row.emulated else "")
    joules = Column("Gross of runs (mJ)", emulated, doubts="energy")
    return (counted, *([p50] if speed else []), *([joules] if metered else []))


def _robustness(report: Report) -> tuple[Column, ...]:
    """What evaluations say of these networks; nothing where none was kept of any."""
    rows = report.rows
    if all(row.evaluated is None for row in rows):
        return ()
    clean = (_CLEAN,) if any(row.clean_accuracy is not None for row in rows) else ()
    if all(row.corrupted_accuracy is None for row in rows):
        return clean
    of = {asked_of(row) for row in rows if row.corrupted_accuracy is not None}
    named = (_CORRUPTED_IMAGES,) if len(of) > 1 else ()
    per_joule = (_PER_JOULE,) if any(row.corrupted_points_per_j is not None for row in rows) else ()
    return (*clean, _CORRUPTED, *per_joule, *named)


def _of_runs(group: Group) -> str:
    used, runs = len(group.used), len(group.runs)
    return str(runs) if used == runs else f"{used} of {runs}"


def _front(report: Report) -> tuple[Column, ...]:
    if not has_front(report.rows):
        return ()
    cells = front_cells(report.rows)
    return (Column("Front", lambda row: cells[row.run], numeric=False),)


def _only_emulated_boards(report: Report) -> bool:
    return bool(report.rows) and all(row.emulated_board for row in report.rows)


def notes(report: Report) -> tuple[str, ...]:
    """What has to be said below the table."""
    return (*general_notes(report), *reasons(report), *_unjudged(report))


def general_notes(report: Report) -> tuple[str, ...]:
    """What is said of the table as a whole."""
    metered = any(row.emulated is not None for row in report.rows)
    emulated = (EMULATED_NOTE,) if report.emulated else ()
    caption = () if _only_emulated_boards(report) else (METERED_CAPTION if metered else CAPTION,)
    boards = (EMULATED_BOARD_NOTE,) if any(row.emulated_board for row in report.rows) else ()
    same = (said,) if (said := shared(report.rows)) else ()
    about = [
        _about_repeats,
        _about_front,
        _about_accuracy,
        lambda report: robustness_notes(report.rows),
        _about_edges,
        _about_gaps,
        _about_links,
        _about_digests,
        _about_validity,
    ]
    return (*same, *caption, *emulated, *boards, *(note for say in about for note in say(report)))


def left_out(report: Report) -> tuple[str, ...]:
    """A sentence or two for each run that is damaged or incomplete and has no row."""
    damaged = (f"{run.run} is damaged and not shown: {run.reason}" for run in report.damaged)
    return (*damaged, *map(about_incomplete, report.incomplete))


def about_incomplete(run: IncompleteRow) -> str:
    """What it was of, where and why it ended, and what is kept."""
    kept = f"{run.iterations:,} latencies" + (" and a recording" if run.recorded else "")
    rest = f" {run.device} may have the rest: `{fetch_command(run.device)}`." if run.left_behind else ""
    return (
        f"{run.run} is INCOMPLETE and not shown: {run.model} with {run.backend} on {run.device} ended {run.ended}. "
        f"{run.reason} Kept of it: {kept}.{rest}"
    )


def _about_front(report: Report) -> Iterator[str]:
    if has_front(folded(report).rows):
        yield FRONT_NOTE


def _about_repeats(report: Report) -> Iterator[str]:
    """What the numbers of folded repeats are."""
    repeated = [group for group in groups_of(report) if len(group.runs) > 1]
    if not repeated:
        return
    kinds = {spread.kind for group in repeated for name, spread in group.spreads.items() if name == "p50_ms"}
    words = {
        "range": "from the lowest to the highest run",
        "interval": "the interval of 95 % of the median, of six or more",
    }
    said = " or ".join(text for kind, text in words.items() if kind in kinds)
    ranges = f" “of runs” is {said}." if said else ""
    yield (
        "Runs that are repeats share a row: its numbers are the medians of the valid ones, or of all where none is "
        f"valid.{ranges}"
    )


def _about_accuracy(report: Report) -> Iterator[str]:
    """How well so few images tell it: of one model in full, of several the widest interval."""
    sections = class_sections(report)
    if len(sections) == 1:
        yield f"Accuracy: {sections[0].confusion}."
    elif sections:
        images = _from(section.confusion.images for section in sections)
        widest = max(_points(section.confusion) for section in sections)
        yield (f"Accuracies are of {images} images: their 95 % intervals are up to {widest:.1f} points wide.")
    yield from picked_notes(report.rows)


def picked_notes(rows: Sequence[ReportRow]) -> tuple[str, ...]:
    """Of which runs the accuracy flatters the network."""
    runs = [row.run for row in rows if row.picked]
    return (f"{first_few(runs, _MOST_NAMED)}: {PICKED}.",) if runs else ()


def _from(counts: Iterable[int]) -> str:
    least, *more = sorted(set(counts))
    return f"{least:,} to {more[-1]:,}" if more else f"{least:,}"


def _points(confusion: Confusion) -> float:
    """The width of its accuracy's interval, in per cent."""
    low, high = confusion.interval
    return 100 * (high - low)


def _about_validity(report: Report) -> Iterator[str]:
    """That something is invalid."""
    if reasons(report):
        yield INVALID_NOTE


def reasons(report: Report) -> tuple[str, ...]:
    """Why rows are invalid, and which repeats disagree."""
    apart = (f"{group.label}: INVALID: {check.says}." for group, check in disagreements(report))
    return (*apart, *(f"{row.run}: INVALID: {problem}." for row in report.rows for problem in row.problems))


def _unjudged(report: Report) -> Iterator[str]:
    """What could not be judged."""
    for row in report.rows:
        if row.not_judged:
            yield f"{row.run}: not judged: {'; '.join(row.not_judged)}."


def _is_named(row: ReportRow) -> bool:
    """Whether a note may speak of this run alone, by its name."""
    steady = None if row.energy is None else row.energy.steady
    unsure = row.energy is not None and row.energy.net.edge_error_j is None
    return bool(row.problems or row.not_judged or row.links_lost or unsure or (steady and steady.gaps))


def _about_edges(report: Report) -> Iterator[str]:
    """The largest edge error of all runs, and those of which it is not known.

    Runs whose time is doubtful are left out: beside what is wrong with them no edge is worth a word.
    """
    rows = [row for row in report.rows if not doubted(row.checks, "time")]
    metered = [(row.run, row.energy) for row in rows if row.energy is not None]
    shares = [(run, _edge_share(energy)) for run, energy in metered]
    known = [share for _, share in shares if share is not None]
    if known:
        # What is supposed of one of them is supposed of the largest.
        supposed = next((e.net.edge_error_assumes for _, e in metered if e.net.edge_error_assumes != ASSUMES), ASSUMES)
        yield f"Errors of the windows' edges: {_percent(max(known))} of the gross energy. This supposes {supposed}."
    unknown = ", ".join(run for run, share in shares if share is None)
    if unknown:
        yield f"How wrong the windows' edges may be is not known of {unknown}."


def _about_gaps(report: Report) -> Iterator[str]:
    """Of which runs' steady windows measurements are missing."""
    for row in report.rows:
        if row.energy is not None and row.energy.steady.gaps:
            steady = row.energy.steady
            yield (
                f"{row.run}: measurements are missing in {steady.gaps_s:.3g} s of the steady window's "
                f"{steady.duration_s:.3g} s, in {steady.gaps} places."
            )


def _about_links(report: Report) -> Iterator[str]:
    """Which runs were finished without their host."""
    for row in report.rows:
        if row.links_lost:
            often = "once" if row.links_lost == 1 else f"{row.links_lost} times"
            yield f"{row.run}: the link to {row.device} was lost {often} meanwhile; the device finished it by itself."


def _about_digests(report: Report) -> Iterator[str]:
    """Of which runs nobody would notice that a number in their record was changed."""
    if report.without_digest:
        yield without_digest_note(report.without_digest, len(report.rows))


def without_digest_note(runs: Sequence[str], of: int) -> str:
    """The same in words, for runs among so many."""
    who = ", ".join(runs) if len(runs) <= _MOST_NAMED else f"{len(runs)} of {of} runs"
    return f"{who}: no {RUN_DIGEST} (older versions wrote none), so that an altered number would not show."


def _edge_share(energy: RunEnergy) -> float | None:
    """The net's edge error, which holds all windows', as a share of the gross energy. None where that is none."""
    if energy.net.edge_error_j is None or energy.steady.energy_j <= 0:
        return None
    return energy.net.edge_error_j / energy.steady.energy_j


def _percent(share: float) -> str:
    """Rounded up to tenths."""
    return "less than 0.1 %" if share < 1e-3 else f"up to {math.ceil(1000 * share) / 10:.1f} %"


def _model(row: ReportRow) -> str:
    return f"{row.network} [untrained]" if row.trained is False else row.network


def _speed(value: float | None, digits: int) -> str:
    return _NO_BOARD if value is None else f"{value:.{digits}f}"


def _memory(row: ReportRow) -> str:
    return "–" if row.memory_mb is None and not row.emulated_board else _speed(row.memory_mb, 1)


def _latency(row: ReportRow) -> str:
    return _NO_BOARD if row.latency is None else f"{row.latency.p50_ms:.2f}/{row.latency.p99_ms:.2f}"


def _joules(value: float | None, digits: int, row: ReportRow) -> str:
    if value is None and row.emulated_board:
        return _NO_BOARD
    if value is None:
        return _NO_METER if row.emulated is None else _NO_JOULES
    return f"{value:.{digits}f}" + ("*" if row.emulated else "")


def _per_inference(row: ReportRow) -> str:
    if row.energy_j is None or row.net_energy_j is None:
        return _joules(None, 0, row)
    return f"{1e3 * row.energy_j:.2f}/" + _joules(1e3 * row.net_energy_j, 2, row)


def _meter(row: ReportRow) -> str:
    if row.emulated is None:
        return "–"
    return ("EMULATED" if row.emulated else "measured") + (", too fast" if row.renews_too_fast else "")


def _percents(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f}"


def _points_per_j(row: ReportRow) -> str:
    if row.corrupted_accuracy is None:
        return "–"
    value = row.corrupted_points_per_j
    return _joules(None, 0, row) if value is None else f"{value:.4g}" + ("*" if row.emulated else "")


_MODEL = Column("Model", _model, numeric=False, names=True)
_RUN = (Column("Run", lambda row: row.run, numeric=False, names=True),)
_VALID = (Column("Valid", lambda row: "yes" if row.valid else "INVALID", numeric=False),)
_SPEED = (
    Column("Time (s)", lambda row: _speed(row.time_s, 3), doubts="time"),
    Column("Avg. FPS", lambda row: _speed(row.fps, 1), doubts="time"),
    Column("p50/p99 (ms)", _latency, doubts="time"),
    Column("Mem. (MB)", _memory),
)
_ENERGY = (
    Column("Power (W)", lambda row: _joules(row.power_w, 3, row), doubts="energy"),
    Column("Energy (Wh)", lambda row: _joules(row.energy_wh, 6, row), doubts="energy"),
    Column("Gross/net (mJ)", _per_inference, doubts="energy"),
    Column("Meter", _meter),
)
_ACCURACY = (Column("Acc. (%)", lambda row: "–" if row.accuracy is None else f"{100 * row.accuracy:.1f}"),)
_CLEAN = Column("Clean (%)", lambda row: _percents(row.clean_accuracy))
_CORRUPTED = Column("Corrupted (%)", lambda row: _percents(row.corrupted_accuracy))
_PER_JOULE = Column("Corr. points/J", _points_per_j, doubts="energy")
_CORRUPTED_IMAGES = Column(
    "Corrupted images", lambda row: "–" if row.corrupted_accuracy is None else asked_of(row), numeric=False
)
