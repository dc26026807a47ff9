"""What native/build.py of a checkout is asked for at every command: within this process, in a few milliseconds."""

import importlib
import sys
import threading
from functools import cache
from pathlib import Path
from types import ModuleType

_MODULES = ("binaries", "build", "compilers", "targets")
_one_at_a_time = threading.Lock()  # devices are pushed to by threads, and an import here moves what all of them share


def keys(folder: Path, target: str) -> tuple[str, ...]:
    """The digests of all that decides a target's library, or those of "all"; none where nothing can build one.

    Sources and scripts are read each time, so an edited one gives another digest at once.
    """
    with _one_at_a_time:
        script = _imported(folder)
    try:
        return tuple(script.keys(target))
    except script.NotBuilt:
        return ()


@cache
def _imported(folder: Path) -> ModuleType:
    """`build.py` in a folder. Its name and those of its neighbours are hidden again: a user's network may have such."""
    others = {name: sys.modules.pop(name) for name in _MODULES if name in sys.modules}
    sys.path.insert(0, str(folder))
    try:
        return importlib.import_module("build")
    finally:
        sys.path.remove(str(folder))
        for name in _MODULES:
            sys.modules.pop(name, None)
        sys.modules.update(others)
