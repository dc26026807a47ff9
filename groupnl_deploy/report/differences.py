"""In what the runs of A differ from those of B: what is compared, and what differs beside it. Pure."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from groupnl_deploy.report.identity import KNOB_NAMES, RUNTIME_SETTINGS, Identity
from groupnl_deploy.report.row import ReportRow
from groupnl_deploy.report.settings_pairs import equal_in_pairs, shared
from groupnl_deploy.report.traits import LAST_RESORTS, TRAITS, Trait, differing
from groupnl_deploy.words import known_word

# What an artifact is, and what runs it: who names two artifacts or two backends asks how these differ.
_SUBJECT = frozenset(
    {"network", "trained", "width", "convolution", "semantics", *KNOB_NAMES, "seed", "input_shape", "inputs", "classes"}
    | {"source", "quantized", "format", "level", "target", "opset", "batch", "form", "backend", "instructions"}
    | {"model_file", "library_sha256", "source_sha256", "artifact_sha256"}
)
# How an artifact is run: asked about where the artifact and what runs it are the same.
_SETTINGS = frozenset({"threads", *RUNTIME_SETTINGS})
# They differ between any two runs.
_ALWAYS = frozenset({"run", "created_at"})


@dataclass(frozen=True)
class _Measured:
    """A number of the board that should be the same: it differs where the sides' runs do not overlap, by so much."""

    name: str
    heading: str
    unit: str
    scale: float
    apart: Callable[[float, float], bool]


_MEASURED = (
    _Measured("clock_hz", "Clock in the steady window", "GHz", 1e-9, lambda a, b: max(a, b) > 1.02 * min(a, b)),
    _Measured("start_c", "Temperature at the start", "°C", 1.0, lambda a, b: abs(a - b) > 5.0),
)

CONDITIONS = (
    *(trait.name for trait in (*TRAITS, *LAST_RESORTS) if trait.name not in _SUBJECT | _ALWAYS),
    *("emulated", *(one.name for one in _MEASURED)),
)
"""What should be the same on both sides, and is named where it is not: board, clock, versions, settings, images."""


@dataclass(frozen=True)
class Difference:
    """One thing that A and B differ in, or that changes among the runs of one of them: `trait` is its name in a report.

    `a` and `b` are its values, several of one side with " or " between.
    """

    trait: str
    heading: str
    a: str
    b: str

    def __str__(self) -> str:
        return f"{self.heading}: A {self.a}, B {self.b}"


def known_conditions(names: Sequence[str]) -> frozenset[str]:
    """These names as conditions that are meant to differ. Raises `UsageError` for one that is none."""
    return frozenset(known_word("condition", name, CONDITIONS) for name in names)


def differences(
    a: Sequence[ReportRow], b: Sequence[ReportRow], meant: frozenset[str] = frozenset()
) -> tuple[tuple[Difference, ...], tuple[Difference, ...]]:
    """What is compared, and what differs beside it, of the k-th run of `a` and the k-th of `b`.

    Where the pairs are of several settings, what both runs of each pair have in common is no difference.
    The artifact and its backend are compared, and the conditions that are `meant` to differ; of one artifact with one
    backend also the runtime's settings.
    """
    if {subject_key(row) for row in a} == {subject_key(row) for row in b}:
        meant |= _SETTINGS
    traits = [trait for trait in differing((*a, *b)) if trait.name not in _ALWAYS]
    if shared(a, b):
        traits = [trait for trait in traits if not equal_in_pairs(trait, a, b)]
    found = [one for trait in traits for one in _of(trait, a, b)]
    found += [*_meters(a, b), *(one for kind in _MEASURED for one in _measured(kind, a, b))]
    compared = tuple(one for one in found if one.trait in _SUBJECT | meant or one.trait not in CONDITIONS)
    return compared, tuple(one for one in found if one not in compared)


def _meters(a: Sequence[ReportRow], b: Sequence[ReportRow]) -> Iterator[Difference]:
    """Whether one side's joules are made up and the other's measured."""
    first, second = ({row.emulated for row in side} - {None} for side in (a, b))
    if first and second and len(first | second) > 1:
        said = {True: "EMULATED", False: "measured"}
        sides = (" or ".join(sorted(said[bool(one)] for one in side)) for side in (first, second))
        yield Difference("emulated", "Meter", *sides)


def _measured(kind: _Measured, a: Sequence[ReportRow], b: Sequence[ReportRow]) -> Iterator[Difference]:
    first, second = ([v for row in side if (v := getattr(row, kind.name)) is not None] for side in (a, b))
    if not first or not second or max(min(first), min(second)) <= min(max(first), max(second)):
        return
    if kind.apart(median(first), median(second)):
        sides = (f"{kind.scale * median(side):.3g} {kind.unit}" for side in (first, second))
        yield Difference(kind.name, kind.heading, *sides)


def subject_key(row: Identity) -> tuple[str, str]:
    """What a run is of: runs of one artifact with one backend are of one thing."""
    return row.artifact_sha256, row.backend


def _of(trait: Trait, a: Sequence[ReportRow], b: Sequence[ReportRow]) -> tuple[Difference, ...]:
    """The trait's parts in which the sides differ, or one side among its own runs."""
    parts = sorted({part for row in (*a, *b) for part in trait.parts(row)})
    found = []
    for part in parts:
        first, second = _values(trait, part, a), _values(trait, part, b)
        if len(first | second) > 1 and first and second:
            heading = f"{trait.heading} of {part}" if part else trait.heading
            found.append(Difference(trait.name, heading, _said(first), _said(second)))
    return tuple(found)


def _values(trait: Trait, part: str, rows: Sequence[ReportRow]) -> frozenset[str]:
    """The whole values, shortened only where the trait itself does."""
    return frozenset(trait.parts(row)[part][: trait.shorten] for row in rows if part in trait.parts(row))


def _said(values: frozenset[str]) -> str:
    return " or ".join(sorted(values))
