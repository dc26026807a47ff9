"""What a comparison says in words: better, worse, no difference shown, or a range that is called one. Pure."""

from math import floor, log10
from typing import Literal

from groupnl_deploy.analysis.metrics import Metric
from groupnl_deploy.analysis.paired import LEAST_PAIRS, SIGNIFICANCE, Paired
from groupnl_deploy.words import counted

Standing = Literal["better", "worse", "no difference shown", "unsure", "range only"]
"""Of B beside A. "unsure": asked alone, this number would show a difference; among so many it may be chance. "range
only": there are too few pairs to show anything."""

_MOST_EFFECT = 10.0  # what is printed; a larger one says no more
_MOST_P = SIGNIFICANCE + 1e-12


def standing(metric: Metric, found: Paired, p: float | None) -> Standing:
    """How B stands beside A by this p-value, which may be adjusted."""
    if p is None:
        return "range only"
    if p > _MOST_P:
        return "no difference shown" if found.p is None or found.p > _MOST_P else "unsure"
    return "better" if (found.ratio < 1) == (metric.better == "lower") else "worse"


def verdict_sentence(metric: Metric, found: Paired, p: float | None, invalid: bool = False) -> str:
    """The verdict on one metric, with its interval, its pairs and its p-value, or with its range.

    Where a run is `invalid` the sentence begins by saying that this is none.
    """
    lead = "INVALID runs: no verdict. " if invalid else ""
    if p is None:
        return f"{lead or 'No verdict. '}{_range(metric, found)}"
    return f"{lead}{_tested(metric, found, p)}"


def _tested(metric: Metric, found: Paired, p: float) -> str:
    how = standing(metric, found, p)
    if how == "no difference shown":
        return (
            f"No difference shown: B's {metric.title} is {figures(found.ratio)} times A's ({_evidence(found, p)}). "
            f"If there is one, it is likely between {percent(found.low)} and {percent(found.high)}."
        )
    if how == "unsure":
        return (
            f"Unsure: B's {metric.title} is {figures(found.ratio)} times A's ({_evidence(found, p)} among all numbers "
            "beside the verdict's). Asked alone it would be a difference; among so many it may be chance."
        )
    if metric.name == "p50_ms" and how == "better":
        faster = f"95 % interval {figures(1 / found.high)} to {figures(1 / found.low)}, {_pairs_and_p(found, p)}"
        return f"B is {figures(1 / found.ratio)} times as fast as A by its {metric.title} ({faster})."
    if metric.name == "p50_ms":
        return f"B takes {figures(found.ratio)} times as long as A by its {metric.title} ({_evidence(found, p)})."
    return f"B's {metric.title} is {figures(found.ratio)} times A's, which is {how} ({_evidence(found, p)})."


def _range(metric: Metric, found: Paired) -> str:
    if found.kind == "single":
        return (
            f"In one pair B's {metric.title} was {figures(found.ratio)} times A's. "
            f"One pair cannot tell what chance does to it; from {LEAST_PAIRS} pairs on a difference can be shown."
        )
    between = f"{figures(found.low)} to {figures(found.high)}"
    return (
        f"In {found.pairs} pairs B's {metric.title} was {between} times A's. "
        f"This is the range and no interval; from {LEAST_PAIRS} pairs on a difference can be shown."
    )


def _evidence(found: Paired, p: float) -> str:
    return f"95 % interval {figures(found.low)} to {figures(found.high)}, {_pairs_and_p(found, p)}"


def _pairs_and_p(found: Paired, p: float) -> str:
    return f"{counted(found.pairs, 'pair')}, {p_text(p)}"


def p_text(p: float) -> str:
    """Such as "p = 0.002"."""
    return "p < 0.0001" if p < 1e-4 else f"p = {p:.2g}"


def figures(value: float) -> str:
    """Four significant digits, without an exponent."""
    digits = 3 if value == 0 else 3 - floor(log10(abs(value)))
    return f"{value:.{min(max(digits, 0), 9)}f}"


def effect_text(found: Paired) -> str | None:
    """With its sign; of what stands far out of the noise only that. None where too few pairs tell what noise does."""
    if found.effect is None or found.kind != "interval":
        return None
    if abs(found.effect) > _MOST_EFFECT:
        return f"{'>' if found.effect > 0 else '<'} {'+' if found.effect > 0 else '−'}{_MOST_EFFECT:.0f}"
    return f"{found.effect:+.1f}".replace("-", "−")


def percent(ratio: float) -> str:
    """How far a ratio is from 1, such as "+1.8 %"."""
    apart = 100 * (ratio - 1)
    return (f"{apart:+.2g} %" if abs(apart) < 99.5 else f"{apart:+.0f} %").replace("-", "−")
