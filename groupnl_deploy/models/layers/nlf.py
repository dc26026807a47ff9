"""Nonlinear transformation functions (NLFs): what GroupNL makes new feature maps with.

`NLFS` is the whole list. The functions are those of Table 13 of the GroupNL paper (arXiv 2506.12335).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from groupnl_deploy.models.refusal import Range

# ω is published as [1, 2] for GroupNL and SineFM alike (Table 2), η as [1, 7] for MonoCNN. The paper gives
# no range for ε. Seed maps are of unit order, so ε gets ω's range: there e^{-(εx)²} is neither constant
# (small ε) nor almost everywhere zero (large ε).
UNIT_SCALE: Range = (1.0, 2.0)
MONOMIAL_DEGREE: Range = (1.0, 7.0)


@dataclass(frozen=True)
class NLF:
    """One function family and the hyper-parameters a layer draws for it.

    Args:
        name: the word a spec chooses it by.
        formula: what it computes of a seed map s.
        source: where it is published.
        ranges: name of each hyper-parameter (as saved in a state dict) and the range it is drawn from.
        multiplies: tensor multiplications for each generated element. The paper's FLOPs count these, and count
            no sine, exponential, power, sum or difference.
        function: (s, *hyper-parameters, phi_sign, out) → new maps. The hyper-parameters broadcast against s.
            With `out` everything happens in that tensor, which gradients cannot follow.
        slope: (s, *hyper-parameters, phi_sign) → derivative of the function by s, in a new tensor, likewise
            without gradients of its own.
    """

    name: str
    formula: str
    source: str
    ranges: Mapping[str, Range]
    multiplies: int
    function: Callable[..., Tensor]
    slope: Callable[..., Tensor]

    def __call__(
        self, seed_maps: Tensor, *hyper_parameters: Tensor, phi_sign: int = 1, out: Tensor | None = None
    ) -> Tensor:
        """The function of `seed_maps`, elementwise.

        Args:
            seed_maps: s, any shape.
            *hyper_parameters: one for each of `ranges`, in its order.
            phi_sign: 1 or −1, the sign of a shift; functions without a shift ignore it.
            out: of the broadcast shape; the result is written there. Without gradients only.
        """
        return self.function(seed_maps, *hyper_parameters, phi_sign=phi_sign, out=out)


def _sinusoidal(maps: Tensor, periods: Tensor, shifts: Tensor, *, phi_sign: int, out: Tensor | None) -> Tensor:
    shift = torch.add if phi_sign > 0 else torch.sub
    # No gradient needs the shifted maps, so that they may turn into the arguments in place.
    arguments = shift(maps, shifts, out=out).mul_(periods)
    return arguments.sin() if out is None else arguments.sin_()


def _sinusoidal_slope(maps: Tensor, periods: Tensor, shifts: Tensor, *, phi_sign: int) -> Tensor:
    shift = torch.add if phi_sign > 0 else torch.sub
    return shift(maps, shifts).mul_(periods).cos_().mul_(periods)


def _monomial(maps: Tensor, exponents: Tensor, *, phi_sign: int, out: Tensor | None) -> Tensor:
    # The sign is constant wherever it has a gradient; detached, it makes autograd keep nothing. At zero,
    # |x|^η has the finite slope η·0^(η−1)·sign(0) = 0 for every η ≥ 1.
    powers, signs = torch.pow(maps.abs(), exponents, out=out), maps.detach().sign()
    return powers * signs if out is None else powers.mul_(signs)


def _monomial_slope(maps: Tensor, exponents: Tensor, *, phi_sign: int) -> Tensor:
    # Times |sign| as autograd has it, whose slope at zero is zero for η = 1 also.
    return torch.pow(maps.abs(), exponents - 1).mul_(exponents).mul_(maps.sign().square_())


def _gaussian(maps: Tensor, scales: Tensor, *, phi_sign: int, out: Tensor | None) -> Tensor:
    # s²·(−ε²) instead of −(ε·s)²: the one multiplication is the same, but autograd keeps the small s.
    return torch.mul(maps.square(), -scales.square(), out=out).exp_()


def _gaussian_slope(maps: Tensor, scales: Tensor, *, phi_sign: int) -> Tensor:
    negative = -scales.square()
    return torch.mul(maps.square(), negative).exp_().mul_(maps).mul_(2 * negative)


def _laplace(maps: Tensor, scales: Tensor, *, phi_sign: int, out: Tensor | None) -> Tensor:
    return _scaled_decay(maps.abs(), scales, out)


def _laplace_slope(maps: Tensor, scales: Tensor, *, phi_sign: int) -> Tensor:
    return torch.mul(maps.abs(), -scales).exp_().mul_(maps.sign()).mul_(-scales.square() / 2)


def _laplace_literal(maps: Tensor, scales: Tensor, *, phi_sign: int, out: Tensor | None) -> Tensor:
    return _scaled_decay(maps, scales, out)


def _laplace_literal_slope(maps: Tensor, scales: Tensor, *, phi_sign: int) -> Tensor:
    return torch.mul(maps, -scales).exp_().mul_(-scales.square() / 2)


def _scaled_decay(distances: Tensor, scales: Tensor, out: Tensor | None) -> Tensor:
    """(ε/2)·e^{−ε·d}."""
    decay = torch.mul(distances, -scales, out=out).exp_()
    # The gradient of exp needs its result, which therefore only a caller without gradients may scale in place.
    return decay * (scales / 2) if out is None else decay.mul_(scales / 2)


NLFS: Mapping[str, NLF] = {
    nlf.name: nlf
    for nlf in (
        NLF(
            name="sinusoidal",
            formula="sin(ω·(s ± φ))",
            source="Table 13 with the plus sign; the authors' released code with the minus sign",
            ranges={"periods": UNIT_SCALE, "shifts": UNIT_SCALE},
            multiplies=1,
            function=_sinusoidal,
            slope=_sinusoidal_slope,
        ),
        NLF(
            name="monomial",
            formula="sign(s)·|s|^η",
            source="Table 13; η in [1, 7] as MonoCNN's in Table 2",
            ranges={"exponents": MONOMIAL_DEGREE},
            multiplies=1,
            function=_monomial,
            slope=_monomial_slope,
        ),
        NLF(
            name="gaussian",
            formula="e^{-(ε·s)²}",
            source="Table 13; range of ε our choice",
            ranges={"scales": UNIT_SCALE},
            multiplies=1,
            function=_gaussian,
            slope=_gaussian_slope,
        ),
        NLF(
            name="laplace",
            formula="(ε/2)·e^{-ε·|s|}",
            source="Table 13 with |s|, the Laplace density; range of ε our choice",
            ranges={"scales": UNIT_SCALE},
            multiplies=2,
            function=_laplace,
            slope=_laplace_slope,
        ),
        NLF(
            name="laplace-literal",
            formula="(ε/2)·e^{-ε·s}",
            source="Table 13 exactly as printed, which grows without bound for negative s; range of ε our choice",
            ranges={"scales": UNIT_SCALE},
            multiplies=2,
            function=_laplace_literal,
            slope=_laplace_literal_slope,
        ),
    )
}
