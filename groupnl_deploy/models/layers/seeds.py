"""How many maps a layer makes out of its seed maps; the same question in every seed-based method."""

import math

from groupnl_deploy.models.refusal import InvalidSpec


def generated_copies(out_channels: int, seed_channels: int) -> int:
    """γ = ceil(c_out / c_seed) − 1, the maps generated from each seed map.

    Where c_seed does not divide c_out, (γ + 1)·c_seed exceeds c_out and the layer cuts the last maps off.
    Raises `InvalidSpec` for a count of seed channels outside 1 … c_out.
    """
    if not 1 <= seed_channels <= out_channels:
        raise InvalidSpec(
            f"{seed_channels} seed channels for {out_channels} output channels", f"Choose from 1 to {out_channels}."
        )
    return math.ceil(out_channels / seed_channels) - 1
