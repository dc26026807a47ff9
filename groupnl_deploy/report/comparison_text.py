"""A comparison in words and as a table: what differs beside what is compared, then the verdict, then all numbers."""

from collections import Counter
from collections.abc import Iterator

from device_agent.manifest import PICKED
from groupnl_deploy.analysis.metrics import BY_NAME
from groupnl_deploy.analysis.paired import LEAST_PAIRS
from groupnl_deploy.analysis.verdict import effect_text, figures, p_text
from groupnl_deploy.report.compare import Comparison, Line, Side
from groupnl_deploy.report.tables import EMULATED_BOARD_NOTE, EMULATED_NOTE, without_digest_note
from groupnl_deploy.words import counted

_NONE = "–"
_MOST_NAMED = 3  # invalid runs
_INVALID_NOTE = (
    "! INVALID: something disturbed these runs or was wrong with them, as said above. Such a number is no result."
)


def preface(found: Comparison) -> tuple[str, ...]:
    """What must be known before any number: what is compared, what differs beside, what is invalid, how pairs came."""
    compared = "; ".join(map(str, found.compared)) or "nothing, they are one artifact with one backend"
    return (
        f"A is {found.a.name}, B is {found.b.name}. Compared: {compared}.",
        *(f"ALSO DIFFERENT, beside what is compared: {one}." for one in found.beside),
        *_invalid(found),
        *(f"INVALID: {text}." for text in found.disagree),
        *found.left_out,
        *_pairing(found),
    )


def answer(found: Comparison) -> tuple[str, ...]:
    """The verdict, and what is said of each rule."""
    return (*found.verdict, *(judged.says for judged in found.judgements))


def _invalid(found: Comparison) -> Iterator[str]:
    """Each invalid run with its reasons where they are few, else how many broke which rule."""
    if len(found.invalid) <= _MOST_NAMED:
        yield from (f"{run.run} is INVALID: {'; '.join(run.problems)}." for run in found.invalid)
        return
    names = [run.run for run in found.invalid]
    of_a, of_b = (sum(name in side.runs for name in names) for side in (found.a, found.b))
    rules = Counter(rule for run in found.invalid for rule in run.rules).most_common()
    broken = [(rule, counted(count, "run")) for rule, count in rules]
    yield (
        f"INVALID are {of_a} runs of A and {of_b} of B, of {found.pairs} each. Broken rules: "
        f"{', '.join(f'{rule} ({runs})' for rule, runs in broken)}. "
        f"The first is {names[0]}: {'; '.join(found.invalid[0].problems)}. --json has all."
    )


def _pairing(found: Comparison) -> Iterator[str]:
    if found.within:
        parts = "; ".join(f"{one.setting} ({counted(one.pairs, 'pair')})" for one in found.within)
        yield f"The pairs are of runs with equal settings: {parts}. Every number is of all pairs together."
    if not found.interleaved:
        yield (
            f"NOT INTERLEAVED: A's runs were made {_when(found.a)}, B's {_when(found.b)}. "
            "What changed on the board between them is in the ratio, and no statistics can take it out."
        )


def _when(side: Side) -> str:
    return side.first if side.first == side.last else f"from {side.first} to {side.last}"


def table(found: Comparison) -> tuple[list[tuple[str, bool]], list[list[str]]]:
    """The headings, each with whether it is numeric, and a row for each metric that both sides have.

    The verdict's metric comes first.
    """
    interval = "Range" if found.pairs < LEAST_PAIRS else "95 % interval"
    headings = [("Metric", False), ("A", True), ("B", True), ("B/A", True), (interval, True)]
    headings += [("p", True), ("Effect", True), ("B better", True), ("Verdict on B", False)]
    lines = sorted(found.lines, key=lambda line: line.metric != found.metric)
    return headings, [_cells(line) for line in lines if line.found is not None]


def _cells(line: Line) -> list[str]:
    metric, found = BY_NAME[line.metric], line.found
    if found is None or line.a is None or line.b is None:
        raise ValueError(f"{line.metric} has no numbers")
    marks = ("*" if line.emulated else "") + ("!" if line.doubtful else "")
    return [
        f"{metric.title} ({metric.shown_in or metric.unit})",
        f"{figures(line.a * metric.scale)}{marks}",
        f"{figures(line.b * metric.scale)}{marks}",
        f"{figures(found.ratio)}{marks}",
        f"{figures(found.low)} to {figures(found.high)}{marks}",
        _NONE if line.p_adjusted is None else p_text(line.p_adjusted).removeprefix("p = ").removeprefix("p "),
        effect_text(found) or _NONE,
        f"{line.better_in} of {found.pairs}",
        f"{line.standing or _NONE}{'!' if line.doubtful else ''}",
    ]


def notes(found: Comparison) -> tuple[str, ...]:
    """What has to be said below the table."""
    return tuple(_notes(found))


def _notes(found: Comparison) -> Iterator[str]:
    if any(line.found for line in found.lines):
        yield (
            "A and B are medians over the runs; B/A is the geometric mean of the pairs' ratios. "
            "The verdict is of the first line."
        )
    yield from _each_setting(found)
    if found.pairs >= LEAST_PAIRS:
        yield (
            "p is of an exact sign-flip test on the log ratios; for all metrics but the verdict's it is adjusted for "
            "their number (Holm). Effect is the mean log ratio in standard deviations (Cohen's d_z)."
        )
    if any(line.standing == "unsure" for line in found.lines):
        yield "Unsure: asked alone, that number would show a difference; among so many numbers it may be chance."
    for why in dict.fromkeys(line.why for line in found.lines if line.why):
        titles = ", ".join(BY_NAME[line.metric].title for line in found.lines if line.why == why)
        yield f"Not compared: {titles}, because {why}."
    if any(line.emulated and line.found for line in found.lines):
        yield EMULATED_NOTE
    if found.emulated_board:
        yield EMULATED_BOARD_NOTE
    if found.invalid or found.disagree:
        yield _INVALID_NOTE
    if found.without_digest:
        yield without_digest_note(found.without_digest, 2 * found.pairs)
    yield from _accuracy(found)


def _each_setting(found: Comparison) -> Iterator[str]:
    """What the ratio is made of, which may be better with one setting and worse with another."""
    line = None if found.metric is None else found.line(found.metric)
    parts = [f"{one.setting}: {figures(one.ratio)}" for one in found.within if one.ratio is not None]
    if line and parts:
        marks = ("*" if line.emulated else "") + ("!" if line.doubtful else "")
        said = "; ".join(f"{part}{marks}" for part in parts)
        yield f"B/A of {BY_NAME[line.metric].title} with each setting: {said}. To judge one alone, name its runs."


def _accuracy(found: Comparison) -> Iterator[str]:
    if found.a.accuracy is not None and found.b.accuracy is not None:
        yield (
            f"Accuracy on the images shown: A {100 * found.a.accuracy:.1f} %, B {100 * found.b.accuracy:.1f} %. "
            "No verdict is made of it."
        )
        picked = [name for name, side in (("A", found.a), ("B", found.b)) if side.picked]
        if picked:
            yield f"Of {' and '.join(picked)} {PICKED}."
