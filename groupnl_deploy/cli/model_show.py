"""`groupnl models show`: what a network costs, layer by layer, in the papers' counts."""

import json as json_text
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from device_agent.manifest import MANIFEST_FILE
from device_agent.strict import StrictError, from_dict, to_dict
from groupnl_deploy.cli import console
from groupnl_deploy.cli.conv_options import ConvOptions, tell_departure, with_conv_options
from groupnl_deploy.cli.exits import guarded
from groupnl_deploy.cli.model_mixing import checked_picture, draw, mixing_document, show_mixing
from groupnl_deploy.cli.options import Json, shape
from groupnl_deploy.cli.own_options import Asked, Module, OwnImage, load_named, needing_module, require_one_network
from groupnl_deploy.errors import UsageError
from groupnl_deploy.models.networks import ALIASES, MODULES, NETWORKS
from groupnl_deploy.models.spec import ModelSpec
from groupnl_deploy.workspace import CHECKPOINT_FILE

if TYPE_CHECKING:
    from groupnl_deploy.models.profile import Counts, LayerProfile, Profile

_MIB = 1 << 20
_HEADINGS = [("Layer", False), ("Kind", False), ("Output", False)]
_HEADINGS += [(number, True) for number in ("Bytes", "Param", "FLOPs", "MACs")]
# Short enough for a row to fit into 80 columns; convolutions of our own lose their "Conv2d".
_KINDS = {
    "Conv2d": "Conv",
    "BatchNorm2d": "BatchNorm",
    "AdaptiveAvgPool2d": "AvgPool",
    "SqueezeExcite": "SE",
}

Width = Annotated[float | None, typer.Option(help="Factor on every channel count (1).")]
Classes = Annotated[int | None, typer.Option(help="Outputs of the last layer; left out, the network's own.")]
Size = Annotated[int | None, typer.Option(help="Height and width of the image; left out, the network's own.")]
Gpus = Annotated[int, typer.Option(help="N of the data-parallel traffic.")]


@guarded
@with_conv_options
def show(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME|CHECKPOINT|ARTIFACT",
            help="A name or alias from `groupnl models list`; else the folder of a checkpoint or an artifact.",
        ),
    ] = None,
    module: Module = None,
    input_: OwnImage = None,
    width: Width = None,
    classes: Classes = None,
    size: Size = None,
    *,
    options: ConvOptions,
    gpus: Gpus = 8,
    mixing: Annotated[
        bool, typer.Option("--mixing", help="In place of costs: which channels sparse GroupNL layers mix, and how far.")
    ] = False,
    mixing_plot: Annotated[
        Path | None, typer.Option(help="Draw that: a .png, .pdf or .svg to make; --mixing goes without saying.")
    ] = None,
    json: Json = False,
) -> None:
    """Count parameters, FLOPs, gradients, traffic and activations of a network and of each of its layers.

    Without --conv a plain name is the standard network, and an alias what it says. Counted as in the GroupNL
    paper's tables: one FLOP is one multiply-accumulate, and frozen hyper-parameters are parameters.

    Example: groupnl models show gnl_resnet50

    Example: groupnl models show resnet18_cifar --conv groupnl --ratio 4 --json

    Example: groupnl models show --module net.py:net --input 3,32,32 --conv groupnl

    Example: groupnl models show resnet18_cifar --conv groupnl-sparse --mixing-plot mixing.png
    """
    options.check()
    drawn_as = checked_picture(mixing_plot)
    asked = {"width": width, "num_classes": classes, "size": size, "input_shape": shape("--input", input_)}
    asked = {field: value for field, value in asked.items() if value is not None}
    spec, told = _network(name, module, options, asked, json)
    if mixing or mixing_plot is not None:
        _mixing(spec, told, mixing_plot, drawn_as, json)
        return
    from groupnl_deploy.models.profile import profile

    with needing_module("models", "show", name):
        counted = profile(spec, gpus)
    init = _begun_with(name)
    if json:
        console.show_json(_document(spec, gpus, counted) | told | ({} if init is None else {"init": init}))
        return
    begun = "" if init is None else f", trained on from the checkpoint {init[:12]}"
    console.show_text(f"{spec.label}{begun}, one image of {_by(spec.input_shape)}")
    console.show_table(_HEADINGS, _rows(counted))
    console.show_text(_summary(counted.total, gpus))
    if counted.uncounted:
        console.say(f"Note: no rule counts the operations of {', '.join(counted.uncounted)}; their parameters are in.")


def _mixing(spec: ModelSpec, told: dict[str, Any], picture: Path | None, drawn_as: str | None, json: bool) -> None:
    from groupnl_deploy.models.mixing import mixing_of

    found = mixing_of(spec)
    if json:
        about = {"schema_version": 1, "model": to_dict(spec), "label": spec.label}
        console.show_json(about | mixing_document(found) | told)
    else:
        console.show_text(f"{spec.label}, one image of {_by(spec.input_shape)}")
        show_mixing(found)
    if picture is not None and drawn_as is not None:
        draw(found, picture, drawn_as)


def _network(
    name: str | None, module: str | None, options: ConvOptions, asked: dict[str, Any], silent: bool
) -> tuple[ModelSpec, dict[str, Any]]:
    """What the user named, and what was said of it."""
    if name is None or not _is_folder(name):
        require_one_network(name, module)
        return Asked(name, module).spec(options, "standard", silent, **_squared(name, options, asked))
    load_named(module)
    spec = _spec_of_folder(Path(name))
    if options != ConvOptions() or asked:
        raise UsageError(
            f"The folder {name} says what it is, {spec.label}.",
            "Leave out the options that describe a network, or give a name from groupnl models list.",
        )
    return spec, tell_departure(spec.name, spec, silent)


def _is_folder(name: str) -> bool:
    """Whether it is meant as one: a plain word that is none is refused with the nearest name."""
    path = Path(name)
    known = name in ALIASES or name in NETWORKS or name in MODULES
    return not known and (path.name != name or path.exists())


def _squared(name: str | None, options: ConvOptions, asked: dict[str, Any]) -> dict[str, Any]:
    """With an input shape in place of the length of its sides."""
    if "size" not in asked:
        return asked
    if "input_shape" in asked:
        raise UsageError("--size and --input both say what an image is.", "Leave one of the two out.")
    side = asked["size"]
    channels = 3 if name is None else options.spec(name, otherwise="standard").input_shape[0]
    rest = {field: value for field, value in asked.items() if field != "size"}
    return rest | {"input_shape": (channels, side, side)}


def _spec_of_folder(folder: Path) -> ModelSpec:
    if (folder / MANIFEST_FILE).is_file():
        return _spec_of_artifact(folder)
    if (folder / CHECKPOINT_FILE).is_file():
        from groupnl_deploy.training.checkpoint import load_checkpoint

        return load_checkpoint(folder).spec
    what = "is neither a checkpoint nor an artifact" if folder.exists() else "does not exist"
    raise UsageError(
        f"{folder} {what}.",
        f"Name a folder with a {CHECKPOINT_FILE} or a {MANIFEST_FILE}, or a network from groupnl models list.",
    )


def _begun_with(name: str | None) -> str | None:
    """The id of the checkpoint that the training of a checkpoint began with, which was found whole before."""
    record = Path(name or "") / CHECKPOINT_FILE
    if name is None or not _is_folder(name) or not record.is_file():
        return None
    begun: str | None = json_text.loads(record.read_bytes()).get("init")
    return begun


def _spec_of_artifact(folder: Path) -> ModelSpec:
    from exporters.artifact import open_artifact

    manifest = open_artifact(folder).manifest
    if manifest.source.kind == "onnx":
        raise UsageError(
            f"{folder} was made from an ONNX file, and holds no network that can be counted layer by layer.",
            "Name a checkpoint, an artifact of one, or a network from groupnl models list.",
        )
    try:
        return from_dict(ModelSpec, manifest.model, "model")
    except StrictError as error:
        raise UsageError(
            f"The {MANIFEST_FILE} in {folder} describes its network as another version does: {error}.",
            "Export its checkpoint again with this version.",
        ) from error


def _document(spec: ModelSpec, gpus: int, counted: "Profile") -> dict[str, Any]:
    return {
        "schema_version": 1,
        "model": to_dict(spec),
        "label": spec.label,
        "gpus": gpus,
        "input_shape": list(spec.input_shape),
        "layers": {layer.name: _layer(order, layer) for order, layer in enumerate(counted.layers)},
        "total": to_dict(counted.total),
        "uncounted": list(counted.uncounted),
    }


def _layer(order: int, layer: "LayerProfile") -> dict[str, Any]:
    """A line of the table; keys are sorted in a document, so its place is a number, from 0."""
    return {"order": order, "kind": layer.kind, "output_shape": list(layer.output_shape), **to_dict(layer.counts)}


def _rows(counted: "Profile") -> list[tuple[str, ...]]:
    rows = [
        (
            layer.name,
            _KINDS.get(layer.kind, layer.kind.removesuffix("Conv2d")),
            _by(layer.output_shape),
            *_numbers(layer.counts),
        )
        for layer in counted.layers
    ]
    return [*rows, ("",) * len(_HEADINGS), ("total", "", "", *_numbers(counted.total))]


def _numbers(counts: "Counts") -> tuple[str, ...]:
    return tuple(map(_short, (counts.activation_bytes, counts.params, counts.flops, counts.macs)))


def _summary(total: "Counts", gpus: int) -> str:
    frozen, weights = total.params - total.learnable_params, _millions(total.weight_params)
    return "\n".join(
        (
            f"Parameters   {_millions(total.params)}, {frozen} of them frozen; weights alone {weights}",
            f"FLOPs        {_millions(total.flops)}; convolutions and linear layers alone {_millions(total.macs)}",
            f"Activations  {total.activation_bytes / _MIB:.2f} MiB, written by these layers for one image",
            f"Gradient     {_sized(total.gradient_count)}",
            f"Traffic      {_traffic(total, gpus)}",
        )
    )


def _traffic(total: "Counts", gpus: int) -> str:
    if gpus == 1:
        return "none with one GPU"
    each, together = _sized(total.traffic_count // gpus), _sized(total.traffic_count)
    return f"{each} a step from each of {gpus} GPUs,\n             {together} from all of them"


def _sized(count: int) -> str:
    return f"{_millions(count)} numbers, {4 * count / _MIB:.2f} MiB"


def _millions(count: int) -> str:
    return f"{count / 1e6:.2f} M"


def _short(count: int) -> str:
    """Three digits and a unit, such as "590K" or "2.36M"; below a thousand the count itself."""
    value, thousands = float(count), 0
    while value >= 999.5:
        value, thousands = value / 1000, thousands + 1
    decimals = 0 if not thousands or value >= 99.95 else 1 if value >= 9.995 else 2
    return f"{value:.{decimals}f}{['', *'KMGTPE'][thousands]}"


def _by(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
