"""The file that a picture is asked for in."""

from pathlib import Path

from groupnl_deploy.errors import UsageError

PAGE_FORMAT = "html"


def picture_format(out: Path, pages: bool = False) -> str:
    """The format of a picture, or also of a page, as its file's ending says it. Raises `UsageError`."""
    from groupnl_deploy.report.pictures import PICTURE_FORMATS
    from groupnl_deploy.words import known_word

    known = (*PICTURE_FORMATS, PAGE_FORMAT) if pages else PICTURE_FORMATS
    format = known_word("picture format", out.suffix.lower().removeprefix("."), known)
    if out.exists():
        raise UsageError(f"{out} exists already.", "Choose another name for the picture, or remove it first.")
    if not out.parent.is_dir():
        raise UsageError(f"The folder {out.parent} does not exist.", "Make it first, or choose another name.")
    return format


def require_sheet(sheet: Path | None) -> None:
    """Of --sheet, before every image is read: a name that says what it will be, and a place that is free."""
    from groupnl_deploy.words import known_word
    from groupnl_deploy.workspace import disk_errors

    if sheet is None:
        return
    known_word("picture format", sheet.suffix.lower().removeprefix("."), ["png"])
    with disk_errors(sheet):
        exists = sheet.exists()
    if exists:
        raise UsageError(f"{sheet} exists already.", "Choose another file with --sheet, or remove it first.")
