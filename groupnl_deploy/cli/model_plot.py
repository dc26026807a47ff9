"""`groupnl models plot`: what GroupNL's functions do to an image, and what a network's stages cost."""

from pathlib import Path
from typing import Annotated

import typer

from groupnl_deploy.cli import console
from groupnl_deploy.cli.conv_options import ConvOptions
from groupnl_deploy.cli.exits import guarded
from groupnl_deploy.cli.options import shape
from groupnl_deploy.cli.own_options import Asked, Module, OwnImage, require_one_network
from groupnl_deploy.errors import UsageError
from groupnl_deploy.models.knobs import KNOBS
from groupnl_deploy.models.registry import model_spec
from groupnl_deploy.report.pictures import PICTURE_FORMATS
from groupnl_deploy.words import known_word
from groupnl_deploy.workspace import disk_errors, write_atomically


@guarded
def plot(
    subject: Annotated[
        str | None, typer.Argument(help="A network's name; with --nlf a picture file, china or flower.")
    ] = None,
    module: Module = None,
    input_: OwnImage = None,
    nlf: Annotated[
        str | None,
        typer.Option(help="Draw maps under 24 settings of: sinusoidal, monomial, gaussian, laplace, laplace-literal."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="The file: .png, .pdf or .svg; else NAME.png, or NLF.png, here.")
    ] = None,
) -> None:
    """Draw the params and FLOPs of a network's stages with each convolution; with --nlf, the paper's Fig. 3.

    Example: groupnl models plot resnet18_cifar --out costs.png

    Example: groupnl models plot --module net.py:net --input 3,32,32 --out costs.png

    Example: groupnl models plot --nlf sinusoidal china --out maps.png
    """
    target = out or Path(f"{nlf or subject or (module or '').rpartition(':')[2]}.png")
    if nlf is not None:
        known_word(KNOBS["nlf"].kind, nlf, KNOBS["nlf"].words)
        if subject is None or module is not None:
            raise UsageError("--nlf draws an image, and none is named.", "Give a picture file, china or flower.")
    require_one_network(subject, module)
    if nlf is None and subject is not None:
        model_spec(subject)
    format = known_word("picture format", target.suffix.removeprefix("."), PICTURE_FORMATS)
    with disk_errors(target):
        exists = target.exists()
    if exists:
        raise UsageError(f"{target} exists already.", "Choose another file with --out, or remove it first.")
    from groupnl_deploy.report.model_plots import draw_maps, draw_stages, read_image

    if nlf is not None:
        data = draw_maps(read_image(subject or ""), nlf, format)
    else:
        spec, _ = Asked(subject, module, shape("--input", input_)).spec(ConvOptions(), "standard")
        data = draw_stages(spec, format)
    write_atomically(target, data)
    console.show_text(str(target))
