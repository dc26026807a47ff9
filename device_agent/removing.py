"""Removing what lies somewhere, whatever it is."""

from contextlib import suppress
from pathlib import Path


def remove(path: Path) -> None:
    """A file, a link, or a folder with all that is in it; no link is followed, and no pipe is waited for."""
    if path.is_dir() and not path.is_symlink():
        _rmtree(path, ignore_errors=False)
    else:
        path.unlink()


def remove_if_possible(path: Path) -> None:
    """As `remove`, and what cannot be removed stays."""
    if path.is_dir() and not path.is_symlink():
        _rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()


def _rmtree(path: Path, *, ignore_errors: bool) -> None:
    import shutil  # it knows archives, too, and takes its time to load

    shutil.rmtree(path, ignore_errors=ignore_errors)
