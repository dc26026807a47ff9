"""A package imported in a process of its own: one that dies, or never ends, takes nothing else with it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from device_agent.backend_table import BACKENDS
from device_agent.command import run_command

_MARK = "groupnl-loads "  # packages print what they like while they are imported
_NEVER = tuple(name for entry in BACKENDS.values() for name in entry.never_imported)
_IMPORT = (
    "import importlib, sys\n"
    "sys.modules.update(dict.fromkeys(sys.argv[2:]))\n"
    "module = importlib.import_module(sys.argv[1])\n"
    f"print('\\n{_MARK}' + str(getattr(module, '__version__', '')))\n"
)


@dataclass(frozen=True)
class Loading:
    """How an import ended.

    Args:
        exit_code: 128 + n where signal n ended it; None where it took too long.
        version: of a package that loads; null where it does not tell.
        said: all that was printed meanwhile.
        ran_out: whether the kernel killed a process for want of memory meanwhile; None: nobody knows.
    """

    exit_code: int | None
    version: str | None
    said: str
    ran_out: bool | None = None


def load(
    python: str, package: str, folder: Path, timeout_s: float, environment: Mapping[str, str] | None = None
) -> Loading:
    """Import a package by a Python. Raises `OSError` where there is no such program."""
    # -P: the folder that we stand in has no packages.
    done = run_command([python, "-P", "-c", _IMPORT, package, *_NEVER], folder, timeout_s, environment)
    lines = done.output.splitlines()
    told = [line.removeprefix(_MARK) for line in lines if line.startswith(_MARK)]
    said = "\n".join(line for line in lines if not line.startswith(_MARK)).strip()
    if done.exit_code == 0 and not told:  # it ended the process
        return Loading(1, None, said or f"{package} ended Python while it was imported")
    return Loading(done.exit_code, (told[-1] or None) if done.exit_code == 0 else None, said, done.ran_out)
