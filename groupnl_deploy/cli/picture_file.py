"""The file that a picture is asked for in."""

from pathlib import Path

from groupnl_deploy.errors import UsageError


def picture_format(out: Path) -> str:
    """The picture format of a file that can be written. Raises `UsageError`."""
    from groupnl_deploy.report.pictures import PICTURE_FORMATS
    from groupnl_deploy.words import known_word

    format = known_word("picture format", out.suffix.lower().removeprefix("."), PICTURE_FORMATS)
    if out.exists():
        raise UsageError(f"{out} exists already.", "Choose another name for the picture, or remove it first.")
    if not out.parent.is_dir():
        raise UsageError(f"The folder {out.parent} does not exist.", "Make it first, or choose another name.")
    return format
