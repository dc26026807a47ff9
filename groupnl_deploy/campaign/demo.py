"""The campaign file of the demo, which is a part of the package: `digits.toml` beside this file."""

import json
from importlib.resources import files
from pathlib import Path

from groupnl_deploy.workspace import disk_errors, write_atomically

_FILE = "digits.toml"
_OUT = 'out = "runs/digits"'


def demo_text(out: Path) -> str:
    """The file, with everything kept in `out`."""
    text = files("groupnl_deploy.campaign").joinpath(_FILE).read_text(encoding="utf-8")
    return text.replace(_OUT, f"out = {json.dumps(str(out), ensure_ascii=False)}", 1)


def write_demo(out: Path) -> tuple[Path, bool]:
    """The file in `out`, written there unless one is there; and whether it is as it comes.

    Raises `UsageError` or `DiskFull` where it cannot be written.
    """
    path, text = out / _FILE, demo_text(out)
    with disk_errors(path):
        if path.is_file():
            return path, path.read_text(encoding="utf-8", errors="replace") == text
    write_atomically(path, text.encode())
    return path, True
