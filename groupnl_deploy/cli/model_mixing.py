"""How far the sparse layers of a network mix their channels, as a table and as a picture."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from groupnl_deploy.cli import console
from groupnl_deploy.cli.picture_file import picture_format

if TYPE_CHECKING:
    from groupnl_deploy.models.mixing import Mixing

_HEADINGS = [("Sparse layer", False), ("In", True), ("Seeds", True), ("Out", True), ("Read by", False)]
_HEADINGS += [(number, True) for number in ("Reached", "Parts", "Rank")]
_READ_IT = (
    "Reached: how many of its inputs one output of both layers depends on. Parts: into how many groups the channels "
    "fall that have no path between them. Rank: of the linear map through both, whatever its weights are. A norm "
    "over all seed maps and squeeze-excite couple channels by one number, and are no path here."
)


def checked_picture(picture: Path | None) -> str | None:
    """The format of a picture that is asked for; refuses now what cannot be drawn."""
    return None if picture is None else picture_format(picture)


def mixing_document(found: "Sequence[Mixing]") -> dict[str, Any]:
    """For programs."""
    return {"mixing": [_numbers(one) for one in found]}


def show_mixing(found: "Sequence[Mixing]") -> None:
    """The table, and how to read it."""
    console.show_table(_HEADINGS, _rows(found))
    console.show_prose(_READ_IT)


def draw(found: "Sequence[Mixing]", picture: Path, format: str) -> None:
    """The picture, whole or not at all."""
    from groupnl_deploy.report.mixing_plot import draw_mixing
    from groupnl_deploy.workspace import write_atomically

    write_atomically(picture, draw_mixing(found, format))
    console.say(f"Drawn: {picture}")


def _rows(found: "Sequence[Mixing]") -> list[tuple[str, ...]]:
    return [
        (
            one.name,
            str(one.alone.shape[1]),
            str(one.seeds),
            str(one.alone.shape[0]),
            one.next or "–",
            f"{one.inputs_each:.3g}",
            str(one.islands),
            str(one.rank),
        )
        for one in found
    ]


def _numbers(one: "Mixing") -> dict[str, Any]:
    outputs, inputs = one.alone.shape
    return {
        "layer": one.name,
        "inputs": inputs,
        "seeds": one.seeds,
        "outputs": outputs,
        "read_by": one.next,
        "outputs_behind": one.both.shape[0],
        "inputs_reached": one.inputs_each,
        "parts": one.islands,
        "rank": one.rank,
    }
