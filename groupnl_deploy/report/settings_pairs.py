"""Pairs of equal settings: in which settings the runs of one side differ, and whether both runs of a pair share them.

Pure.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import exp, log
from statistics import fmean
from typing import TypeVar

from groupnl_deploy.report.identity import RUNTIME_SETTINGS, Identity
from groupnl_deploy.report.traits import TRAITS, Trait, plain

_WORKLOAD = ("image_source", "images", "idle_s", "warmup_s", "cool_to_c", "min_seconds", "min_iterations")
PAIRED_BY = tuple(trait for trait in TRAITS if trait.name in ("device", "threads", *RUNTIME_SETTINGS, *_WORKLOAD))
"""What a user chooses for a run of one artifact with one backend, in the order of a report."""

Row = TypeVar("Row", bound=Identity)
Setting = tuple[object, ...]
"""The values of some traits in one run."""


@dataclass(frozen=True)
class Within:
    """One of several settings that the pairs are of, such as "Threads 1", and how many pairs are of it.

    `ratio` is the geometric mean of their ratios B/A in the verdict's metric; null where there is none.
    """

    setting: str
    pairs: int
    ratio: float | None


def varied(*sides: Sequence[Identity]) -> tuple[Trait, ...]:
    """The traits in which a side's own runs differ."""
    return tuple(trait for trait in PAIRED_BY if any(len({trait.text(row) for row in side}) > 1 for side in sides))


def setting_of(row: Identity, traits: Sequence[Trait]) -> Setting:
    """The run's values of these."""
    return tuple(trait.value(row) for trait in traits)


def in_words(setting: Setting, traits: Sequence[Trait]) -> str:
    """Such as "Threads 1, Images 10"; numbers stand behind their headings."""
    return ", ".join(f"{trait.heading} {plain(value)}" for trait, value in zip(traits, setting, strict=True))


def sorting(setting: Setting) -> list[tuple[bool, float, str]]:
    """A key that puts settings in order: 2 threads before 10."""
    return [(one is not None, one if isinstance(one, int | float) else 0.0, str(one)) for one in setting]


def shared(a: Sequence[Identity], b: Sequence[Identity]) -> tuple[Trait, ...]:
    """The traits that vary on a side while both runs of each pair have the same value."""
    return tuple(trait for trait in varied(a, b) if equal_in_pairs(trait, a, b))


def equal_in_pairs(trait: Trait, a: Sequence[Identity], b: Sequence[Identity]) -> bool:
    """Whether both runs of each pair have the same value."""
    return all(trait.value(first) == trait.value(second) for first, second in zip(a, b, strict=True))


def within(
    a: Sequence[Row], b: Sequence[Row], value: Callable[[Row], float | None] = lambda row: None
) -> tuple[Within, ...]:
    """The settings that the pairs are of, with the ratio of this value, above zero; empty where all are of one."""
    traits = shared(a, b)
    if not traits:
        return ()
    found: dict[Setting, list[tuple[float | None, float | None]]] = {}
    for first, second in zip(a, b, strict=True):
        found.setdefault(setting_of(first, traits), []).append((value(first), value(second)))
    return tuple(
        Within(in_words(one, traits), len(found[one]), _ratio(found[one])) for one in sorted(found, key=sorting)
    )


def _ratio(pairs: Sequence[tuple[float | None, float | None]]) -> float | None:
    logs = [log(second / first) for first, second in pairs if first and second]
    return exp(fmean(logs)) if len(logs) == len(pairs) else None
