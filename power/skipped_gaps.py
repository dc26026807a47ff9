"""Joules outside the holes of a window, where somebody asks for them: what was measured, and no more. Pure."""

from collections.abc import Sequence
from dataclasses import replace

from power.energy import Energy, EnergyIndex
from power.errors import WindowNotCovered


def outside_gaps(index: EnergyIndex, start_s: float, end_s: float) -> Energy:
    """The joules of a window without its holes, of which `skipped_gaps` and `skipped_s` tell.

    `duration_s` is how long there are measurements for, and the mean power is that of this time. Where nothing was
    skipped, it is `index.window`. Raises `WindowNotCovered` where the recording does not reach the edges, or holds no
    two neighbouring measurements between them.
    """
    holes = [(begin, end) for begin, end in index.holes_s if begin < end_s and end > start_s]
    if not holes:
        return index.window(start_s, end_s)
    index.require_within(start_s, end_s)
    parts = [index.window(*part) for part in _parts(start_s, end_s, holes)]
    if not parts:
        raise WindowNotCovered(
            f"From {start_s:.3f} s to {end_s:.3f} s no two measurements lie without a gap between them.",
            "Choose another window, or allow a longer wait between rows with --max-gap.",
        )
    return _joined(parts, start_s, end_s, len(holes))


def _parts(start_s: float, end_s: float, holes: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The stretches between the holes, those of a single measurement left out."""
    begins = [start_s, *(end for _, end in holes)]
    ends = [*(begin for begin, _ in holes), end_s]
    return [(begin, end) for begin, end in zip(begins, ends, strict=True) if begin < end]


def _joined(parts: Sequence[Energy], start_s: float, end_s: float, holes: int) -> Energy:
    energy_j, measured_s = (sum(getattr(part, name) for part in parts) for name in ("energy_j", "duration_s"))
    volts = [part.min_voltage_v for part in parts if part.min_voltage_v is not None]
    return replace(
        parts[0],
        start_s=start_s,
        end_s=end_s,
        duration_s=measured_s,
        energy_j=energy_j,
        edge_error_j=None,  # a step at a hole's edge would show in the rows that are missing
        mean_power_w=energy_j / measured_s,
        peak_power_w=max(part.peak_power_w for part in parts),
        min_voltage_v=min(volts, default=None),
        samples=sum(part.samples for part in parts),
        max_gap_s=max(part.max_gap_s for part in parts),
        gaps=sum(part.gaps for part in parts),
        gaps_s=sum(part.gaps_s for part in parts),
        skipped_gaps=holes,
        skipped_s=end_s - start_s - measured_s,
    )
