"""Work below a device's root, stopped at each of its steps in turn: killed there, or refused by a full disk.

`stopped` runs this file in a process of its own, which is copied once for each step and has no threads.
"""

import errno
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

Begin = Callable[..., Callable[[], object]]
"""Given a root and words, makes ready and gives the work to be stopped."""

_STEPS = {"open", "os.link", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.symlink", "shutil.rmtree"}
_BEYOND = 3  # the exit code of a child whose work has no such step
_MOST_STEPS = 1000


def stopped(before: Path, roots: Path, how: str, begin: Begin, *words: object) -> list[Path]:
    """A copy of `before` for each step at which the work was stopped, in their order; in the last it came to its end.

    Args:
        before: the device's root, which stays as it is.
        roots: the folder for the copies.
        how: "killed" or "full".
        begin: a function of a module.
        words: strings or paths that `begin` is given behind the root.
    """
    command = [sys.executable, "-m", __name__, before, roots, how, begin.__module__, begin.__name__, *words]
    subprocess.run([str(word) for word in command], check=True)
    return sorted((path for path in roots.iterdir() if path.name.isdecimal()), key=lambda path: int(path.name))


def _stop_at_each(before: Path, roots: Path, how: str, begin: Begin, words: list[str]) -> None:
    for step in range(1, _MOST_STEPS):
        root = roots / str(step)
        shutil.copytree(before, root, symlinks=True)
        child = os.fork()
        if not child:
            os._exit(_stopped_at(step, how, begin(root, *words)))
        if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == _BEYOND:
            return


def _stopped_at(step: int, how: str, work: Callable[[], object]) -> int:
    """Do the work but for that step; the exit code."""
    seen = 0

    def hook(event: str, _: object) -> None:
        nonlocal seen
        if event not in _STEPS:
            return
        seen += 1
        if seen == step and how == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if seen == step:
            raise OSError(errno.ENOSPC, "No space left on device")

    sys.addaudithook(hook)
    try:
        work()
    except OSError:
        return 0
    return _BEYOND if seen < step else 0


if __name__ == "__main__":
    _before, _roots, _how, _module, _name, *_words = sys.argv[1:]
    _stop_at_each(Path(_before), Path(_roots), _how, getattr(import_module(_module), _name), _words)
