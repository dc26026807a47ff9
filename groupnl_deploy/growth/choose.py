"""Which candidates are added: pure, from scores to units."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from groupnl_deploy.growth.budget import Pool
from groupnl_deploy.growth.choices import Select
from groupnl_deploy.growth.search import Scores
from groupnl_deploy.models.probe.candidates import Growing
from groupnl_deploy.models.probe.layout import Growth


@dataclass(frozen=True)
class Candidate:
    """One unit that could be added: a split of an old one, or a new one.

    Args:
        bundle: its number.
        new: whether it is a new unit.
        unit: which.
        score: the lower the better; 0 where nothing was scored.
    """

    bundle: int
    new: bool
    unit: int
    score: float = 0.0


@dataclass(frozen=True)
class Choice:
    """What each bundle gains, and the worst score that was taken in its pool, None where scores did not matter."""

    growths: Mapping[int, Growth]
    thresholds: Mapping[int, float | None]


def choose(
    pools: Sequence[Pool],
    growing: Mapping[int, Growing],
    costs: Mapping[int, int],
    scores: Scores | None,
    select: Select,
    generator: torch.Generator,
    *,
    multiple_of: int = 1,
    one_more: bool = False,
) -> Choice:
    """Take candidates in order, each that the rest of its pool's budget still pays for.

    Args:
        pools: the budgets, in channels.
        growing: what can grow.
        costs: channels of one unit, by bundle.
        scores: of step B; None for "random".
        select: in what order. "score": the lowest first, over all layers, and of equal ones the first in the network,
            splits before new units. "uniform": every layer's best, then every layer's second, and so on. "random".
        generator: of "random".
        multiple_of: a layer's width becomes a multiple of it, by leaving out the worst; one where no such width is in
            reach stays as it is.
        one_more: a unit more in each pool, as Firefly's rule of thresholds adds.
    """
    growths, thresholds = dict[int, Growth](), dict[int, float | None]()
    for pool in pools:
        ordered = _ordered(_candidates(pool, growing, scores), select, generator)
        extra = min(costs[number] for number in pool.bundles) if one_more else 0
        taken = _taken(ordered, costs, pool.budget + extra)
        worst = max((one.score for one in taken), default=0.0) if select == "score" else None
        for number in pool.bundles:
            mine = [one for one in taken if one.bundle == number]
            kept = mine[: _fitting(len(mine), growing[number], multiple_of)]
            growths[number] = _growth(kept)
            thresholds[number] = worst
    return Choice(growths, thresholds)


def _candidates(pool: Pool, growing: Mapping[int, Growing], scores: Scores | None) -> list[Candidate]:
    found = []
    for number in pool.bundles:
        for new, count in ((False, growing[number].layout.units), (True, growing[number].new_units)):
            values = [0.0] * count if scores is None else (scores.new if new else scores.split)[number].tolist()
            found += [Candidate(number, new, unit, values[unit]) for unit in range(count)]
    return found


def _ordered(candidates: list[Candidate], select: Select, generator: torch.Generator) -> list[Candidate]:
    if select == "random":
        return [candidates[at] for at in torch.randperm(len(candidates), generator=generator).tolist()]
    by_score = sorted(candidates, key=lambda one: one.score)
    if select == "score":
        return by_score
    seen: dict[int, int] = {}
    ranked = []
    for one in by_score:
        ranked.append((seen.setdefault(one.bundle, 0), one.bundle, one))
        seen[one.bundle] += 1
    return [one for *_, one in sorted(ranked, key=lambda place: place[:2])]


def _taken(ordered: list[Candidate], costs: Mapping[int, int], budget: int) -> list[Candidate]:
    taken = []
    for one in ordered:
        if costs[one.bundle] <= budget:
            budget -= costs[one.bundle]
            taken.append(one)
    return taken


def _fitting(count: int, growing: Growing, multiple_of: int) -> int:
    """How many units of `count` make the width a multiple; 0 where none does."""
    layout = growing.layout
    fitting = (more for more in range(count, 0, -1) if (layout.channels + more * layout.unit) % multiple_of == 0)
    return next(fitting, 0)


def _growth(kept: list[Candidate]) -> Growth:
    return Growth(
        tuple(sorted(one.unit for one in kept if not one.new)), tuple(sorted(one.unit for one in kept if one.new))
    )
