"""Where this machine last saw a data set that lies in a folder: one small file for each, named by its digest."""

import contextlib
import json
from pathlib import Path

from groupnl_deploy.errors import GroupNLError
from groupnl_deploy.places import data_dir
from groupnl_deploy.workspace import write_atomically


def remember_place(sha256: str, path: Path) -> None:
    """Write down where the data set of this digest lies. Where that cannot be written, a user has to say it again."""
    if remembered_place(sha256) != path.absolute():
        with contextlib.suppress(GroupNLError):
            write_atomically(_file(sha256), json.dumps({"path": str(path.absolute())}).encode())


def remembered_place(sha256: str) -> Path | None:
    """Where it lay; None where nobody here has seen it."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
        return Path(json.loads(_file(sha256).read_bytes())["path"])
    return None


def _file(sha256: str) -> Path:
    return data_dir() / "image-folders" / f"{sha256}.json"
