"""How many channels a network may gain, and what competes for them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from groupnl_deploy.growth.choices import Residual
from groupnl_deploy.growth.refusal import CannotGrow
from groupnl_deploy.models.conv_site import in_shortcut
from groupnl_deploy.models.probe.candidates import Growing
from groupnl_deploy.models.probe.wiring import Bundle, Wiring

# MobileNetV1 has two budgets in Firefly's released code: stem and first three pointwise convolutions, and the others.
_FIRST_POOL = {"mobilenetv1_100": 4, "mobilenetv1_cifar": 4}


@dataclass(frozen=True)
class Pool:
    """Bundles whose candidates compete for one budget.

    Args:
        bundles: their numbers.
        width: channels that γ is a share of.
        budget: int(γ · width) channels.
    """

    bundles: tuple[int, ...]
    width: int
    budget: int


def growing_bundles(wiring: Wiring, k_new: int, residual: Residual) -> dict[int, Growing]:
    """The bundles that grow, each with room for K new channels, in whole units.

    Of residual networks "inner" keeps whatever a sum reads, and "tied" decides for all convolutions before it at once.

    Raises `CannotGrow` where there is none, or no room for a unit.
    """
    found = {
        number: Growing(bundle.layout, k_new // bundle.layout.unit)
        for number, bundle in enumerate(wiring.bundles)
        if bundle.writers and not reason_to_stay(bundle, residual)
    }
    if not found:
        reasons = [f"{one.writers[0]} stays: {reason_to_stay(one, residual)}" for one in wiring.bundles if one.writers]
        raise CannotGrow(
            f"No layer of this network can grow; {reasons[0] if reasons else 'it has no convolution'}.",
            "Grow a network of standard or GroupNL (not sparse) convolutions"
            + (", or give --residual tied." if residual == "inner" else "."),
        )
    large = {one.layout.unit for one in found.values() if 0 < k_new < one.layout.unit}
    if large:
        raise CannotGrow(
            f"--k-new {k_new} is less than one unit of a GroupNL convolution here, {max(large)} channels (r·g).",
            f"Give --k-new {max(large)} or more, or 0 for splits alone.",
        )
    return found


def reason_to_stay(bundle: Bundle, residual: Residual) -> str:
    """Why a bundle does not grow; "" where it does."""
    inner = residual == "inner" and bundle.summed
    return bundle.fixed or ("a sum reads it, and --residual is inner" if inner else "")


def cost(bundle: Bundle) -> int:
    """Channels that one more unit adds, in all convolutions that write it."""
    return bundle.layout.unit * len(bundle.writers)


def pools_of(name: str, wiring: Wiring, growing: Mapping[int, Growing], gamma: float, residual: Residual) -> list[Pool]:
    """The budgets of a network.

    γ is a share of the output channels of all convolutions but depthwise ones and, for "inner", those of shortcuts:
    also of the others that a sum keeps from growing, as the sizes of GEARnn's ResNet-18 say.

    Args:
        name: of the network.
        wiring: its own.
        growing: its bundles that grow.
        gamma: γ.
        residual: see `growing_bundles`.

    Raises `CannotGrow` where a budget is larger than all candidates, or holds none.
    """
    first = _first_bundles(name, wiring)
    parts = [set(growing) & first, set(growing) - first]
    widths = [_width(wiring, numbers, residual) for numbers in (first, set(range(len(wiring.bundles))) - first)]
    pools = [
        Pool(tuple(sorted(part)), width, int(gamma * width + 1e-9))  # 1e-9: of 0.29 · 100 too
        for part, width in zip(parts, widths, strict=True)
        if part
    ]
    for pool in pools:
        _require_within(wiring, growing, pool, gamma)
    return pools


def _first_bundles(name: str, wiring: Wiring) -> set[int]:
    written = [number for number, bundle in enumerate(wiring.bundles) if bundle.writers]
    return set(written[: _FIRST_POOL.get(name, 0)])


def _width(wiring: Wiring, numbers: set[int], residual: Residual) -> int:
    """What γ is a share of."""
    counted = 0
    for bundle in (wiring.bundles[number] for number in numbers if not wiring.bundles[number].fixed):
        writers = [name for name in bundle.writers if residual == "tied" or not in_shortcut(name)]
        counted += len(writers) * bundle.layout.channels
    return counted


def _require_within(wiring: Wiring, growing: Mapping[int, Growing], pool: Pool, gamma: float) -> None:
    costs = {number: cost(wiring.bundles[number]) for number in pool.bundles}
    most = sum(costs[number] * (growing[number].layout.units + growing[number].new_units) for number in pool.bundles)
    where = wiring.bundles[pool.bundles[0]].writers[0]
    if pool.budget > most:
        largest = math.floor(1000 * most / pool.width) / 1000
        raise CannotGrow(
            f"--gamma {gamma:g} asks for {pool.budget} more channels in {where} and what grows with it, and with this "
            f"--k-new there are {most} candidates.",
            f"Give --gamma {largest:g} or less, or a larger --k-new.",
        )
    least = min(costs.values())
    if pool.budget < least:
        raise CannotGrow(
            f"--gamma {gamma:g} adds {pool.budget} channels to {where} and what grows with it, and the smallest step "
            f"is {least}.",
            f"Give --gamma {math.ceil(1000 * least / pool.width) / 1000:g} or more.",
        )
