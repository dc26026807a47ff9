"""`groupnl models diversity`: how many different maps GroupNL's functions make, on real images."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from groupnl_deploy.cli import console
from groupnl_deploy.cli.exits import guarded
from groupnl_deploy.cli.options import DataFolder, Json
from groupnl_deploy.errors import UsageError

if TYPE_CHECKING:
    from groupnl_deploy.evaluation.diversity import Diversity

_LAYERS = [("Layer", False), ("Seeds", True), ("Rank", True), ("Maps", True), ("Rank", True), ("Gain", True)]
_NETWORKS = [("Network", False), ("NLF", False), ("Accuracy %", True), ("Seeds' rank %", True)]
_NETWORKS += [("Maps' rank %", True), ("Gain", True)]
_READ_IT = (
    "Rank: the effective rank of maps over images and pixels, in per cent of their number. Gain: that of all maps over "
    "that of the seeds; 1 would be copies, and r entirely new ones. Both are means over the layers."
)


@guarded
def diversity(
    checkpoints: Annotated[list[Path], typer.Argument(help="Trained checkpoints with GroupNL.")],
    data: DataFolder = None,
    images: Annotated[int, typer.Option(min=1, help="How many of the test images.")] = 64,
    json: Json = False,
) -> None:
    """Show trained networks test images, and tell how diverse the seed maps and all maps of each GroupNL layer are.

    Of one checkpoint each layer is shown, of several a line each, beside their accuracies.

    Example: groupnl models diversity net

    Example: groupnl models diversity runs/ablations_digits/checkpoints/nlf*
    """
    from groupnl_deploy.evaluation.diversity import diversity_of

    if len(set(checkpoints)) < len(checkpoints):
        raise UsageError("A checkpoint is named twice.", "Name each once.")
    reporter = console.TerminalReporter()
    found = [diversity_of(folder, data, images, reporter) for folder in checkpoints]
    if json:
        console.show_json({"schema_version": 1, "networks": [_document(one) for one in found]})
        return
    if len(found) == 1:
        console.show_text(f"{found[0].label}, {found[0].images} test images")
        console.show_table(_LAYERS, _layers(found[0]))
    console.show_table(_NETWORKS, [_network(one) for one in found])
    console.show_prose(_READ_IT)


def _layers(one: "Diversity") -> list[tuple[str, ...]]:
    return [
        (
            layer.name,
            str(layer.seeds),
            f"{layer.seed_rank:.1f}",
            str(layer.outputs),
            f"{layer.output_rank:.1f}",
            f"{layer.gain:.2f}",
        )
        for layer in one.layers
    ]


def _network(one: "Diversity") -> tuple[str, ...]:
    accuracy = "–" if one.accuracy is None else f"{100 * one.accuracy:.1f}"
    shares = f"{100 * one.seed_share:.0f}", f"{100 * one.output_share:.0f}"
    return one.label, one.nlf, accuracy, *shares, f"{one.gain:.2f}"


def _document(one: "Diversity") -> dict[str, Any]:
    from device_agent.strict import to_dict

    layers = [{**to_dict(layer), "gain": layer.gain} for layer in one.layers]
    means = {"seed_share": one.seed_share, "output_share": one.output_share, "gain": one.gain}
    return {**to_dict(one), "layers": layers, **means}
