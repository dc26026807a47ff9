"""The first sentences of a report: what is fastest, what takes least energy, how much of it can be believed. Pure.

Nothing is claimed beyond the runs: a difference of two single runs is told as a difference of two runs.
"""

from collections.abc import Callable, Iterator, Sequence

from groupnl_deploy.bench.validity import doubted
from groupnl_deploy.report.baseline import baselines
from groupnl_deploy.report.build import Report
from groupnl_deploy.report.compare import compare
from groupnl_deploy.report.repeats import Group
from groupnl_deploy.report.row import ReportRow
from groupnl_deploy.report.traits import differing
from groupnl_deploy.words import counted

ONCE = "Each thing was measured once, so nothing is said of the noise between two runs: repeat before you decide."
_FEW = "Medians are of {} each; how far the runs lie apart stands in the table."
_DOUBTFUL = "INVALID: {} of these must not be believed, and neither must this verdict."


def verdict(report: Report, groups: Sequence[Group], baseline: str | None = None) -> tuple[str, ...]:
    """Some sentences, the most important first; never empty.

    Two things that were repeated as often as each other are compared pair by pair, as `groupnl compare` does; with a
    `baseline`, each with its own.
    """
    rows = [group.row for group in groups]
    if not rows:
        return ("There is no whole run to judge.",)
    if baseline is not None:
        compared = _beside(report, groups, baseline)
    else:
        compared = _both(report, groups) if len(groups) == 2 else ()
    return (*compared, *_plain(rows, bool(compared)), _validity(report), *_repeats(groups))


def _both(report: Report, groups: Sequence[Group]) -> tuple[str, ...]:
    """What the pairs of two things tell, and which is which; empty where they are no pairs."""
    a, b = (called(group.row, [one.row for one in groups]) for group in groups)
    said = _pairs(report, groups[0], groups[1], (a, b))
    return (*said[:1], f"A is {a}, B is {b}.", *said[1:]) if said else ()


def _beside(report: Report, groups: Sequence[Group], baseline: str) -> tuple[str, ...]:
    """What the pairs of each thing and its baseline tell."""
    rows = [group.row for group in groups]
    said: list[str] = []
    for group, base in zip(groups, baselines(groups, baseline), strict=True):
        if base is not None and base is not group:
            names = (called(base.row, rows), called(group.row, rows))
            which = f"With {names[1]} as B and the baseline, {names[0]}, as A: "
            said += [f"{which}{text}" for text in _pairs(report, base, group, names)]
    return tuple(said)


def _pairs(report: Report, a: Group, b: Group, names: tuple[str, str]) -> tuple[str, ...]:
    """The verdict of the pairs, and whether invalid runs are in it; empty where they are no pairs."""
    if len(a.places) != len(b.places) or len(a.places) < 2:
        return ()
    of_a, of_b = ([report.rows[place] for place in group.places] for group in (a, b))
    found = compare(of_a, of_b, names)
    doubtful = (_DOUBTFUL.format(counted(len(found.invalid), "run")),) if found.invalid else ()
    return (*found.verdict, *doubtful)


def _repeats(groups: Sequence[Group]) -> tuple[str, ...]:
    """What is to be said of noise."""
    if len(groups) == 1:
        return ()
    if all(len(group.runs) == 1 for group in groups):
        return (ONCE,)
    used = [len(group.used) for group in groups]  # an invalid run is in no median where another one is valid
    most = counted(max(used), "run")
    return (_FEW.format(most if min(used) == max(used) else f"{min(used)} to {most}"),)


def _plain(rows: Sequence[ReportRow], compared: bool) -> Iterator[str]:
    """What the rows show; of what pairs have told, nothing more is said."""
    timed = [row for row in rows if row.latency is not None and not doubted(row.checks, "time")]
    metered = [row for row in rows if row.energy_j is not None and not doubted(row.checks, "energy")]
    measured = [row for row in metered if not row.emulated]
    metered = measured or metered  # what is made up is held against nothing that was measured
    accurate = [row for row in rows if row.accuracy is not None]
    if len(rows) == 1:
        yield f"{rows[0]}."
        return
    if all(row.emulated_board for row in rows):
        yield "An emulator computed, so there is no time and no energy of a board to compare."
    elif not timed:
        yield "No run has a time that can be believed, so nothing is said of the fastest."
    if len(timed) > 1 and not compared:
        yield _least(rows, timed, _latency_ms, "Fastest", "p50 {:.3g} ms, {:.3g} times as fast as the slowest")
    if len(metered) > 1 and not compared:
        emulated = " (EMULATED meter: no measurement)" if any(row.emulated for row in metered) else ""
        words = f"{{:.3g}} mJ an inference; the most is {{:.3g}} times as much{emulated}"
        yield _least(rows, metered, _energy_mj, "Least energy", words)
    networks = _networks(accurate)
    if len(networks) > 1:
        yield _most_accurate(networks)


def _networks(rows: Sequence[ReportRow]) -> list[ReportRow]:
    """One row of each network: under other settings, one has the accuracy that it has."""
    found: dict[tuple[str, str, bool], ReportRow] = {}
    for row in rows:
        found.setdefault((row.model, row.source_sha256, row.quantized), row)
    return list(found.values())


def _most_accurate(found: Sequence[ReportRow]) -> str:
    """The best one, and whether so few images tell it from the others."""
    best, *others = sorted(found, key=lambda row: row.accuracy or 0.0, reverse=True)
    within = [row for row in others if (row.accuracy or 0.0) >= (best.accuracy_low or 0.0)]
    images = f"{best.confusion.images:,} images" if best.confusion else "so few images"
    per_cent = f"{100 * (best.accuracy or 0.0):.1f} %"
    if len(within) == len(others):
        return f"Accuracy: {per_cent} at most, and {images} tell none of the {len(found)} networks apart."
    unsure = f"; {images} do not tell it from {counted(len(within), 'other network')}" if within else ""
    return f"Most accurate: {called(best, found)}, {per_cent}{unsure}."


def _least(
    rows: Sequence[ReportRow], found: Sequence[ReportRow], measure: Callable[[ReportRow], float], what: str, words: str
) -> str:
    best, worst = min(found, key=measure), max(found, key=measure)
    return f"{what}: {called(best, rows)}, {words.format(measure(best), measure(worst) / measure(best))}."


def _latency_ms(row: ReportRow) -> float:
    return row.latency.p50_ms if row.latency else 0.0


def _energy_mj(row: ReportRow) -> float:
    return 1e3 * (row.energy_j or 0.0)


def called(row: ReportRow, rows: Sequence[ReportRow]) -> str:
    """A row by its network and what it differs from the others in."""
    said = [trait.said(row) for trait in differing(rows) if trait.heading != "Model" and trait.value(row) is not None]
    return f"{row.network} {', '.join(said)}".strip()


def _validity(report: Report) -> str:
    rows = report.rows
    whole = len(rows) + len(report.damaged) + len(report.incomplete)
    boards = sum(row.emulated_board for row in rows)
    kinds = (
        (sum(not row.valid for row in rows), "invalid"),
        (len(report.damaged), "damaged"),
        (len(report.incomplete), "cut short"),
        (boards, "on an emulated board, which has no time"),
    )
    wrong = ", ".join(f"{count} {what}" for count, what in kinds if count)
    return f"{counted(whole, 'run')}: {wrong or 'all valid' if whole > 1 else wrong or 'valid'}."
