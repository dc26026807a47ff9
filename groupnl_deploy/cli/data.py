"""`groupnl data`: own images before a network is trained on them, and test images corrupted."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from groupnl_deploy.cli import console, data_corrupt, data_verify
from groupnl_deploy.cli.exits import guarded
from groupnl_deploy.cli.options import ImageShape, Json, shape
from groupnl_deploy.cli.picture_file import require_sheet
from groupnl_deploy.errors import VerificationFailed
from groupnl_deploy.words import command_line, counted

if TYPE_CHECKING:
    from groupnl_deploy.images.check import FolderCheck

app = typer.Typer(no_args_is_help=True, help="Images: whether own ones can be trained on; test images corrupted.")
app.command("corrupt")(data_corrupt.corrupt)
app.command("verify")(data_verify.verify)

_TITLES = {
    "stops": "Keeps a network from being trained",
    "warns": "Makes the accuracy worth less",
    "odd": "Good to know",
}
_SHOWN = 5  # of the files that one finding is about


@app.command("check")
@guarded
def check(
    folder: Annotated[str, typer.Argument(metavar="DIR", help="A folder of class folders, or a CSV.")],
    input_: ImageShape = None,
    sheet: Annotated[
        Path | None, typer.Option("--sheet", metavar="FILE.png", help="Draw a contact sheet: a row for each class.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the split, where the folder has no parts of its own.")] = 0,
    json: Json = False,
) -> None:
    """Count classes and images; find damaged, equal and odd files. Exit code 4 where no network can be trained on them.

    Example: groupnl data check photos --sheet photos.png
    """
    wanted = shape("--input", input_)
    require_sheet(sheet)
    from groupnl_deploy.images.check import check_of, parts_of
    from groupnl_deploy.images.decode import usual_shape
    from groupnl_deploy.images.inspected import images_among, inspect_files
    from groupnl_deploy.images.own_files import list_images, read_files
    from groupnl_deploy.workspace import write_atomically

    becomes, reporter = usual_shape(wanted), console.TerminalReporter()
    listing = list_images(Path(folder).expanduser())
    inspected = inspect_files(listing.root, [file.name for file in listing.files], reporter)
    files = read_files(listing, reporter)
    found = check_of(files, inspected, images_among(listing), becomes, seed)
    if sheet is not None:
        from groupnl_deploy.images.contact_sheet import contact_sheet

        write_atomically(sheet, contact_sheet(files, parts_of(files, seed)[0], becomes))
    if json:
        console.show_json({"schema_version": 1, "usable": not found.stops, "check": found})
    else:
        _show(folder, found, seed)
        if sheet is not None:
            console.say(f"{sheet}: a row for each class.")
    _conclude(folder, found, input_)


def _conclude(folder: str, found: "FolderCheck", size: str | None) -> None:
    if found.stops:
        raise VerificationFailed(
            f"No network can be trained on {folder} as it is. {found.stops[0].text}.",
            f"{found.stops[0].remedy} Then check it again.",
        )
    shown = ("--input", size) if size else ()
    following = command_line(
        "train", "--dataset", "folder", "--data", folder, *shown, "--model", "NAME", "--out", "net"
    )
    console.say(f"Next: {following}")


def _show(folder: str, found: "FolderCheck", seed: int) -> None:
    from groupnl_deploy.images.listing import shown

    whose = {"the folder": "the folder's own parts", "the seed": f"split by seed {seed}", "nobody": "not split"}
    images = sum(count.images for count in found.classes)
    counts = f"{counted(len(found.classes), 'class', 'classes')}, {counted(images, 'image')}"
    console.show_text(f"{folder}: {counts}, {whose[found.parts]}")
    split = found.parts != "nobody"
    headings = [("Class", False), ("Images", True), *([("Train", True), ("Test", True)] if split else [])]
    rows = [
        (shown(one.name), str(one.images), *((str(one.train), str(one.test)) if split else ())) for one in found.classes
    ]
    console.show_table(headings, rows)
    console.show_text(_sizes(found))
    for weight, title in _TITLES.items():
        findings = [finding for finding in found.findings if finding.weight == weight]
        if findings:
            console.show_text(f"\n{title}")
        for finding in findings:
            console.show_text(f"  {finding.text}.{f' {finding.remedy}' if finding.remedy else ''}")
            lines = finding.reasons or [" = ".join(map(shown, group)) for group in finding.files]
            for line in lines[:_SHOWN]:
                console.show_text(f"    {line}")
            if len(lines) > _SHOWN:
                console.show_text(f"    and {len(lines) - _SHOWN} more; --json has them all")


def _sizes(found: "FolderCheck") -> str:
    """One line on sizes and formats."""
    formats = ", ".join(f"{name} {count}" for name, count in found.formats) or "no image that can be read"
    if not found.sizes:
        return formats
    some = ", ".join(f"{width}x{height} ({count})" for width, height, count in found.sizes[:3])
    pixels = [width * height for width, height, _ in found.sizes]
    smallest, largest = (found.sizes[pixels.index(size)] for size in (min(pixels), max(pixels)))
    if len(found.sizes) > 3:
        some += f" and {len(found.sizes) - 3} other sizes, {smallest[0]}x{smallest[1]} to {largest[0]}x{largest[1]}"
    return f"{formats}; {some}"
