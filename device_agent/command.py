"""A command on the device, run to its end, which it meets with us at the latest: a board must not be kept busy."""

import ctypes
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from device_agent import oom
from device_agent.deaths import exit_code_of

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)


@dataclass(frozen=True)
class Done:
    """How a command ended: its exit code (128 + n where signal n ended it, None if it took too long), all it wrote.

    `ran_out` is whether the kernel killed a process for want of memory meanwhile; None: nobody knows.
    """

    exit_code: int | None
    output: str
    ran_out: bool | None = None


def run_command(
    argv: Sequence[str], folder: Path, timeout_s: float | None = None, environment: Mapping[str, str] | None = None
) -> Done:
    """Run it in a folder, with our environment variables unless others are given. Raises `OSError` as `Popen` does."""
    kills = oom.kills()
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=folder,
            timeout=timeout_s,
            preexec_fn=_end_with_us if sys.platform == "linux" else None,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        return Done(None, (late.stdout or b"").decode(errors="replace"))
    output = done.stdout.decode(errors="replace")
    return Done(exit_code_of(done.returncode), output, oom.more(kills, oom.kills()))


def _end_with_us() -> None:
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
