"""One training in a place at a time: another one is told before it does any work, and not when its hours are over.

Who trains holds a lock within the folder of its state, which the kernel undoes however the process ends.
"""

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from groupnl_deploy.errors import UsageError
from groupnl_deploy.progress import Say
from groupnl_deploy.record_lock import Busy, NoLocks, RecordLock, this_runner
from groupnl_deploy.training.beside import resume_folder
from groupnl_deploy.workspace import disk_errors, not_there, remove_empty, require_absent

_LOCK_FILE = "lock"


@contextlib.contextmanager
def only_training(out: Path, say: Say) -> Iterator[None]:
    """In the block no other training writes OUT, which is not there yet. `say` is told where none could be noticed.

    Raises `UsageError` where another one does, or has just written it.
    """
    folder = resume_folder(out)
    file, folders = folder / _LOCK_FILE, not_there(folder) or (folder,)
    was_there = file.exists()
    try:
        lock = RecordLock.take(file)
    except Busy as busy:
        raise _running(out, busy.said.decode(errors="replace")) from busy
    except NoLocks as error:
        if not was_there:
            _remove(file, folders)
        say(f"{error.message} Another training with this --out would not be noticed.")
        yield
        return
    with lock:
        try:
            require_absent(out)
            lock.write(this_runner().encode())
            yield
        finally:
            _remove(file, folders)


def require_no_training(out: Path) -> None:
    """Raise `UsageError` where a training writes OUT now, or where none can. Looks and leaves no trace."""
    file = resume_folder(out) / _LOCK_FILE
    with disk_errors(file):
        is_there = file.exists()
    if is_there:
        with only_training(out, lambda text: None):
            pass


def _remove(file: Path, folders: Iterable[Path]) -> None:
    """The file of a lock, and folders that are empty without it.

    What cannot be removed stays, as that of a killed training does: it is no error of one that has ended well.
    """
    with contextlib.suppress(OSError):
        file.unlink()
    remove_empty(folders)


def _running(out: Path, holder: str) -> UsageError:
    return UsageError(
        f"Another training writes {out}: {holder or 'another process'}.",
        "Wait for it, or stop it (kill with its number; the same command goes on later), or choose another name with "
        "--out.",
    )
