"""Making a virtual environment by pip, and what can be in the way of it, each with what mends it.

Debian's Python comes without pip and without what puts it into an environment (`python3-venv`), and refuses to install
anything into itself (PEP 668). So the environment is made without pip, which then runs from its own wheel, where that
was sent along.
"""

import ctypes
import errno
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from device_agent.deaths import death_of
from device_agent.disk import refusal
from device_agent.errors import AgentError

_MARK = "groupnl-loads "
_LOADS = (
    "import importlib, sys\n"
    "module = importlib.import_module(sys.argv[1])\n"
    f"print('{_MARK}' + str(getattr(module, '__version__', '')))\n"
)
_LOAD_S = 300.0
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)

_VENV = (
    "no_venv",
    "sudo apt install python3-venv on the board, or provision with --offline WHEELHOUSE, which brings pip",
)
# What pip says, in small letters: the fault's code, what happened, what mends it.
_PIP_SAID = (
    (
        ("failed to establish a new connection", "name resolution", "network is unreachable", "timed out"),
        "no_network",
        "The board reaches no index of packages.",
        "Give it network; or here: groupnl device wheelhouse --backend BACKEND --out DIR, then provision with "
        "--offline DIR.",
    ),
    (
        ("certificate verify failed",),
        "no_network",
        "The board cannot verify who the index of packages is.",
        "Set its clock (timedatectl); or provision with --offline WHEELHOUSE.",
    ),
    (
        ("do not match the hashes",),
        "digest_mismatch",
        "The index gave the board other bytes than the set's.",
        "Use the public index in the board's pip settings (pip config list), or provision with --offline WHEELHOUSE.",
    ),
    (
        ("no matching distribution found",),
        "wrong_wheels",
        "pip on the board takes none of the wheels: they are for another Python, processor or C library.",
        "Make one for its Python (python3 --version there): groupnl device wheelhouse --python VERSION --out DIR",
    ),
)


class NotProvisioned(AgentError):
    """An environment could not be made; the one that was there before is in use still."""

    def __init__(self, code: str, message: str, remedy: str) -> None:
        super().__init__(message, remedy)
        self.code = code


@dataclass(frozen=True)
class Ended:
    """A child's exit code, 128 + n where signal n ended it, and all it wrote."""

    exit_code: int
    output: str


def make_environment(folder: Path) -> Path:
    """An empty virtual environment of the running Python; its program. Raises `NotProvisioned` or `DiskRefused`."""
    made = run([sys.executable, "-m", "venv", "--without-pip", str(folder)], folder.parent)
    if made.exit_code != 0:
        if "No module named" in made.output:
            raise NotProvisioned("no_venv", "Python on the board has no module venv.", f"{_VENV[1]}.")
        raise _refused("Python on the board could not make a virtual environment", made, folder.parent)
    return folder / "bin" / "python"


def install(python: Path, requirements: Path, wheels: Path | None, pip: Path | None) -> None:
    """Have pip install exactly these requirements; from `wheels`, by the pip in its wheel, or from the index.

    Raises `NotProvisioned` with what pip said, or `DiskRefused`.
    """
    exact = ["--require-hashes", "--no-deps", "--only-binary=:all:", "--requirement", str(requirements)]
    quiet = ["--no-input", "--disable-pip-version-check", "--no-cache-dir", "--progress-bar", "off"]
    if wheels is not None and pip is not None:
        command = [f"{pip}/pip", "--isolated", "install", "--no-index", "--find-links", str(wheels)]
    else:
        given = run([str(python), "-m", "ensurepip"], requirements.parent)
        if given.exit_code != 0:
            raise NotProvisioned("no_venv", "Python on the board cannot give an environment its pip.", f"{_VENV[1]}.")
        command = ["-m", "pip", "install"]
    done = run([str(python), *command, *quiet, *exact], requirements.parent)
    if done.exit_code != 0:
        raise _refused("pip on the board failed", done, requirements.parent)


def require_loads(python: Path, package: str) -> str:
    """The version that a package has once it is loaded, in a child. Raises `NotProvisioned` where it does not load."""
    done = run([str(python), "-c", _LOADS, package], python.parent, _LOAD_S)
    said = [line for line in done.output.splitlines() if line.startswith(_MARK)]
    if done.exit_code == 0 and said:
        return said[-1].removeprefix(_MARK)
    death = death_of(done.exit_code)
    if death is not None:
        raise NotProvisioned(
            death.code,
            f"{package} was installed, and then its import {death.what}.",
            "Leave --version out, so that a version is taken that ran on such a board.",
        )
    raise _refused(f"{package} was installed and does not load", done, python.parent)


def run(argv: Sequence[str], folder: Path, timeout_s: float | None = None) -> Ended:
    """A child that is killed when this process ends, however it ends: a board must not be kept busy."""
    # A download or an unpacked wheel may be larger than a /tmp in memory.
    settings = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**settings, "TMPDIR": str(folder)},
        cwd=folder,
        timeout=timeout_s,
        preexec_fn=_end_with_us,
        check=False,
    )
    code = done.returncode
    return Ended(code if code >= 0 else 128 - code, done.stdout.decode(errors="replace"))


def _end_with_us() -> None:
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _refused(what: str, ended: Ended, folder: Path) -> AgentError:
    said = ended.output.lower()
    if "no space left" in said:
        return refusal(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder)), folder)
    for words, code, message, remedy in _PIP_SAID:
        if any(word in said for word in words):
            return NotProvisioned(code, message, remedy)
    death = death_of(ended.exit_code)
    if death is not None:
        return NotProvisioned(death.code, f"{what}: it {death.what}.", death.remedy)
    lines = [line.strip() for line in ended.output.splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower()] or lines
    last = errors[-1][:200] if errors else "it said nothing"
    return NotProvisioned("not_provisioned", f"{what}: {last}", "See to what it says; then provision again.")
