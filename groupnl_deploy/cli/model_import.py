"""`groupnl models import`: weights that another program trained, as a checkpoint folder."""

from pathlib import Path
from typing import Annotated, Any

import typer

from groupnl_deploy.cli import console
from groupnl_deploy.cli.checkpoint_json import checkpoint_json
from groupnl_deploy.cli.conv_options import ConvOptions, tell_departure, with_conv_options
from groupnl_deploy.cli.exits import guarded
from groupnl_deploy.cli.options import Json, OutFolder, numbers, shape
from groupnl_deploy.cli.own_options import Asked, Module, again, require_one_network
from groupnl_deploy.words import command_line


@guarded
@with_conv_options
def import_(
    file: Annotated[Path, typer.Argument(help="A checkpoint that torch.save wrote, or safetensors.")],
    out: OutFolder,
    model: Annotated[
        str | None, typer.Option(help="A name from `groupnl models list`, or the authors', as gnl_resnet50.")
    ] = None,
    module: Module = None,
    ema: Annotated[bool, typer.Option("--ema", help="Take the weights' moving average (state_dict_ema).")] = False,
    take: Annotated[
        str | None, typer.Option(help="Where the file holds several networks, the name of one, as teacher.")
    ] = None,
    classes: Annotated[int | None, typer.Option(help="Outputs of the network; as on its data set if left out.")] = None,
    width: Annotated[float, typer.Option(help="Factor on every channel count.")] = 1.0,
    mean: Annotated[
        str | None, typer.Option(help="Of pixels from 0 to 1, as 0.485,0.456,0.406, or one for all.")
    ] = None,
    std: Annotated[str | None, typer.Option(help="Likewise. Images become (pixel / 255 - mean) / std.")] = None,
    input_: Annotated[str | None, typer.Option("--input", help="Shape of one image, C,H,W, as 3,224,224.")] = None,
    *,
    options: ConvOptions,
    json: Json = False,
) -> None:
    """Turn a file of the authors' code, timm or another program into a checkpoint folder.

    Nothing in the file is executed: one that wants more than tensors and plain settings is refused. Lightning's,
    torchvision's and other programs' files are read too (docs/importing.md has the list). The file does not say what
    GroupNL computes with its weights; --semantics and its single options do. A file that says it is another network
    with the same keys, as timm's tf_ ones, is refused. Mean, std and input are what timm's config.json beside the file
    or the file itself says; else they are assumed, and that is said and kept.

    Example: groupnl models import model_best.pth.tar --model gnl_resnet50 --out net

    Example: groupnl models import distilled.pth --model resnet18 --classes 10 --take student --out net

    Example: groupnl models import model.safetensors --model tf_mobilenetv3_large_100 --mean 0.5 --std 0.5 --out net
    """
    require_one_network(model, module, "--model NAME")
    image = shape("--input", input_)
    changes = {} if classes is None else {"num_classes": classes}
    told: dict[str, Any] = {}
    if model is not None:
        spec = options.spec(model, otherwise="standard", width=width, **changes)
    else:
        spec, told = Asked(model, module, image, classes).spec(options, "standard", width=width)
    from groupnl_deploy.training.checkpoint import checkpoint_id
    from groupnl_deploy.training.imports import import_weights
    from groupnl_deploy.training.preparation import ImageOptions

    images = ImageOptions(numbers("--mean", mean), numbers("--std", std, above_zero=True), image)
    imported = import_weights(file, spec, out, ema=ema, take=take, images=images)
    notes = [*imported.notes, *imported.checkpoint.assumed]
    for note in notes:
        console.say(f"Note: {note}.")
    spec = imported.checkpoint.spec
    if model is not None:
        told |= tell_departure(model, spec)
    following = command_line("export", out, *again(module), "--out", "ARTIFACT")
    console.say(f"{out}: {spec.label} from {file}; accuracy unknown. Next: {following}")
    if json:
        console.show_json(checkpoint_json(out, checkpoint_id(out)) | {"notes": notes} | told)
