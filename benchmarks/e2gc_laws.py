"""Laws of energy held against the E2GC paper's printed tables: least squares over the eleven variants of a network."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from e2gc_printed import KERNEL, Case, PrintedNetwork, Variant
from scipy.stats import spearmanr

Features = Callable[[PrintedNetwork, Variant], tuple[float, ...]]
_BETAS = np.linspace(0.01, 0.99, 15)


@dataclass(frozen=True)
class Regression:
    """Energy = intercept + coefficients · features, by ordinary least squares; `rank` is Spearman's correlation."""

    coefficients: tuple[float, ...]
    r2: float
    rank: float


@dataclass(frozen=True)
class Transfer:
    """A law fitted on MobileNet-V1 and asked about ResNeXt-50: its rank correlation there, and what its choice costs.

    `excess` is the printed energy of the variant that it calls best, over that of the best one, less one.
    """

    rank: float
    excess: float


def macs(network: PrintedNetwork, variant: Variant) -> tuple[float, ...]:
    """As printed, of the whole network."""
    return (variant.macs,)


def macs_and_groups(network: PrintedNetwork, variant: Variant) -> tuple[float, ...]:
    """With the number of all groups."""
    return (variant.macs, float(sum(map(variant.groups, network.layers))))


def macs_and_traffic(network: PrintedNetwork, variant: Variant) -> tuple[float, ...]:
    """With the sum of A / G: the activations are paid again the narrower the groups are."""
    traffic = sum(layer.activations / layer.group_size(variant.groups(layer)) for layer in network.layers)
    return (variant.macs, traffic)


def equation_1(beta: float) -> Features:
    """The paper's: the sum of M^(1-β) · (A + P)^β over the group convolutions."""

    def features(network: PrintedNetwork, variant: Variant) -> tuple[float, ...]:
        parts = ((layer, variant.groups(layer)) for layer in network.layers)
        return (
            sum(
                layer.macs(groups) ** (1 - beta) * (layer.activations + layer.params(groups)) ** beta
                for layer, groups in parts
            ),
        )

    return features


def regress(network: PrintedNetwork, case: Case, features: Features) -> Regression:
    """Fit it to the eleven printed energies of one case."""
    rows = np.array([(1.0, *features(network, one)) for one in network.variants])
    scale = np.abs(rows).max(axis=0)
    energies = np.array([one.energies_mj[case] for one in network.variants])
    solved, *_ = np.linalg.lstsq(rows / scale, energies, rcond=None)
    fitted = rows / scale @ solved
    r2 = 1 - float(((energies - fitted) ** 2).sum() / ((energies - energies.mean()) ** 2).sum())
    return Regression(tuple((solved / scale)[1:]), r2, _rank(fitted, energies))


def best_equation_1(network: PrintedNetwork, case: Case) -> Regression:
    """With the β from 0.01 to 0.99 that fits best."""
    return max((regress(network, case, equation_1(beta)) for beta in _BETAS), key=lambda one: one.r2)


def best_size(found: Regression) -> float:
    """G* of `macs_and_traffic`, the same for each layer with as many outputs as inputs: sqrt(2·e2 / e1) / d."""
    per_mac, per_activation = found.coefficients
    return math.sqrt(2 * per_activation / per_mac) / KERNEL


def transfer(source: PrintedNetwork, target: PrintedNetwork, case: Case) -> Transfer:
    """Fit `macs_and_traffic` on the one, and let it rank the variants of the other."""
    coefficients = regress(source, case, macs_and_traffic).coefficients
    asked = [float(np.dot(coefficients, macs_and_traffic(target, one))) for one in target.variants]
    energies = [one.energies_mj[case] for one in target.variants]
    chosen = energies[asked.index(min(asked))]
    return Transfer(_rank(asked, energies), chosen / min(energies) - 1)


def _rank(first: Sequence[float] | np.ndarray, second: Sequence[float] | np.ndarray) -> float:
    return float(spearmanr(first, second).statistic)
