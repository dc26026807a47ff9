"""What a growth did to a network, as tables."""

from typing import TYPE_CHECKING

from groupnl_deploy.cli import console
from groupnl_deploy.words import duration_text

if TYPE_CHECKING:
    from groupnl_deploy.training.growing import GrowthRecord


def show_growth(record: "GrowthRecord") -> None:
    """Each layer's channels, what became of the whole, and the phases of the training that it was a part of."""
    for reason in record.stays:
        console.say(f"Stays as it is: {reason}.")
    headings = [("Convolution", False), *((name, True) for name in ("old", "split", "new", "now"))]
    rows = [(", ".join(one.convolutions), *map(str, (one.old, one.split, one.new, one.final))) for one in record.layers]
    console.show_table(headings, rows)
    console.show_text(
        f"{record.added} of {record.budget} channels added; parameters {record.parameters_before:,} → "
        f"{record.parameters_after:,}, MACs {record.macs_before:,} → {record.macs_after:,}; accuracy "
        f"{100 * record.accuracy_before:.2f} % → {100 * record.accuracy_after:.2f} % before any training; "
        f"{record.optimise_s:.0f} s to optimise candidates, {record.score_s:.0f} s to score them."
    )
    if record.phases:
        _show_phases(record)


def _show_phases(record: "GrowthRecord") -> None:
    headings = [("Phase", False), ("Epochs", True), ("Time", True), ("Acc. (%)", True)]
    rows = [
        (one.name, str(one.epochs), duration_text(one.seconds), f"{100 * one.accuracy:.2f}") for one in record.phases
    ]
    console.show_table(headings, rows)
