"""What goes wrong in a user's own code, told with their file, line and words, and without our traceback."""

import contextlib
import functools
import linecache
import os
import sys
import sysconfig
import traceback
from collections.abc import Iterator
from pathlib import Path

from groupnl_deploy.errors import GroupNLError, UsageError
from groupnl_deploy.models.refusal import InvalidSpec

_LONGEST_LINE = 80
_INSTALLED = {"site-packages", "dist-packages"}
OURS = ("groupnl_deploy", "device_agent", "exporters", "power")


def is_users(file: str | None, folder: Path) -> bool:
    """Whether a file lies in the user's folder, and not in an environment that lies there too."""
    if file is None or not Path(file).is_absolute():  # PyTorch has modules whose file is a bare name
        return False
    return Path(file).is_file() and lies_in(Path(file), folder)


def lies_in(path: Path, folder: Path) -> bool:
    """Whether a path is below the user's folder, by its name or where its links lead, and belongs to no Python."""
    found = [one.relative_to(folder) for one in _both(path) if one.is_relative_to(folder)]
    return any(_INSTALLED.isdisjoint(one.parts) for one in found) and not _is_pythons_own(path)


def _is_pythons_own(path: Path) -> bool:
    return any(one.is_relative_to(library) for one in _both(path) for library in _libraries())


@functools.cache
def _libraries() -> frozenset[Path]:
    """Python's own modules, which lie below a home folder where Python does."""
    return frozenset(one for name in ("stdlib", "platstdlib") for one in _both(Path(sysconfig.get_path(name))))


def _both(path: Path) -> set[Path]:
    return {Path(os.path.normpath(path)), path.resolve()}


@contextlib.contextmanager
def users_code(what: str, folder: Path, otherwise: str = "") -> Iterator[None]:
    """Run a user's code in the block: what it prints goes to standard error, what it raises becomes a `UsageError`.

    Args:
        what: the beginning of the sentence, such as "net.py cannot be imported".
        folder: where the code lies; the last line in there is the one that is shown.
        otherwise: what else may help, such as "choose another --input".
    """
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    except (GroupNLError, InvalidSpec, MemoryError):  # of ours, or nobody's fault
        raise
    except SyntaxError as error:
        raise _of_syntax(what, error) from error
    except ModuleNotFoundError as error:
        raise _of_missing(what, error, folder) from error
    except (Exception, SystemExit) as error:
        where = _their_line(error, folder)
        said = f"{type(error).__name__}{f': {error}' if str(error) else ''}"
        raise UsageError(f"{what}{where}: {_one_line(said)}.", _remedy(error, bool(where), otherwise)) from error


def _remedy(error: BaseException, theirs: bool, otherwise: str) -> str:
    if isinstance(error, SystemExit):
        return 'Put what the file does as a program behind: if __name__ == "__main__".'
    mend = "Mend that line" if theirs else "See to that network"
    return f"{mend}, or {otherwise}." if otherwise else f"{mend}; --debug shows the whole traceback."


def _of_syntax(what: str, error: SyntaxError) -> UsageError:
    file, line = Path(error.filename or "?").name, (error.text or "").strip()[:_LONGEST_LINE]
    shown = f" ({line})" if line else ""
    return UsageError(f"{what} at {file}, line {error.lineno}{shown}: {error.msg}.", "Mend that line.")


def _of_missing(what: str, error: ModuleNotFoundError, folder: Path) -> UsageError:
    where = _their_line(error, folder)
    return UsageError(
        f"{what}{where}: there is no module “{error.name}”.",
        f"Install it into this environment, or put its file into {folder}.",
    )


def _their_line(error: BaseException, folder: Path) -> str:
    """at net.py, line 12 (x = y / 0): the last of their lines before the error; "" where none has a part in it."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if is_users(frame.filename, folder)]
    if not frames:
        return ""
    line = linecache.getline(frames[-1].filename, frames[-1].lineno or 0).strip()[:_LONGEST_LINE]
    return f" at {Path(frames[-1].filename).name}, line {frames[-1].lineno}{f' ({line})' if line else ''}"


def _one_line(text: str) -> str:
    """The first line of what may be many, without a full stop."""
    return text.strip().partition("\n")[0].rstrip(". ")
