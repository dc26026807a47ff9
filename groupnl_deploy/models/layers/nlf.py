"""Nonlinear transformation functions (NLFs): what GroupNL makes new feature maps with."""

from torch import Tensor


def sinusoid(seed_maps: Tensor, periods: Tensor, shifts: Tensor, phi_sign: int) -> Tensor:
    """sin(ω·(s ± φ)), elementwise; the arguments broadcast against each other.

    Source: arXiv 2506.12335, Table 13, prints the plus sign (`phi_sign=1`); the authors' released code
    computes the minus sign (`phi_sign=-1`).

    Args:
        seed_maps: s, (N, C, H, W).
        periods: ω.
        shifts: φ.
        phi_sign: 1 or −1.
    """
    shifted = seed_maps + shifts if phi_sign > 0 else seed_maps - shifts
    return (periods * shifted).sin()
