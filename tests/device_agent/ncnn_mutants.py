"""Altered ncnn files, tried one after the other: `python -m tests.device_agent.ncnn_mutants FOLDER FIRST COUNT`.

A child process for each, with a limit of time and of memory, as a benchmark's agent is a process of its own. Prints how
many were refused, died, answered otherwise than the golden pair, or answered rightly; one that hung is an error.
"""

import collections
import os
import random
import re
import resource
import shutil
import signal
import sys
from pathlib import Path

from device_agent import native_store
from device_agent.acceptance import require_golden
from device_agent.backends import Subject
from device_agent.backends.ncnn_cpu import NcnnBackend
from device_agent.errors import AgentError
from device_agent.settings import Settings
from exporters.artifact import open_artifact
from groupnl_deploy.native.libraries import host_library
from groupnl_deploy.progress import Silence

REFUSED, RIGHT, OTHERWISE = 10, 11, 12
LONGEST_S, MOST_BYTES = 20, 4 << 30
HUGE = ("-1", "0", "65535", "16777216", "2147483647", "4294967295", "1e30", "nan", "9" * 40)


def mutant(param: bytes, weights: bytes, number: int) -> tuple[bytes, bytes]:
    """The files with one thing wrong; the same for the same number."""
    dice = random.Random(number)
    kind = number % 6
    if kind == 0:
        return param[: dice.randrange(len(param))], weights
    if kind == 1:
        return param, weights[: dice.randrange(len(weights))]
    if kind == 2:
        places = [found.span() for found in re.finditer(rb"(?<==)[-0-9.e+]+|\b\d+\b", param)]
        start, end = dice.choice(places)
        return param[:start] + dice.choice(HUGE).encode() + param[end:], weights
    if kind == 3:
        at = dice.randrange(len(param))
        return param[:at] + bytes([dice.randrange(256)]) + param[at + 1 :], weights
    if kind == 4:
        lines = param.splitlines(keepends=True)
        one, other = dice.randrange(len(lines)), dice.randrange(len(lines))
        lines[one], lines[other] = lines[other], lines[one]
        return b"".join(lines), weights
    at = 4 * dice.randrange(len(weights) // 4)
    return param, weights[:at] + dice.randbytes(4) + weights[at + 4 :]


def tried(folder: Path, param: bytes, weights: bytes) -> int:
    """What became of it: one of the words above, or minus the signal that it died of."""
    child = os.fork()
    if child == 0:
        resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, 1), os.dup2(nothing, 2)  # what ncnn says of it
        signal.alarm(LONGEST_S)
        os._exit(_outcome(folder, param, weights))
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def _outcome(folder: Path, param: bytes, weights: bytes) -> int:
    artifact = open_artifact(folder)
    (folder / "altered").mkdir(exist_ok=True)
    for name, data in (("model.param", param), ("model.bin", weights)):
        (folder / "altered" / name).write_bytes(data)
    for role in ("golden_input", "golden_output"):
        target = folder / "altered" / artifact.manifest.file(role).name
        target.write_bytes(artifact.path(role).read_bytes())
    backend = NcnnBackend()
    try:
        backend.load(Subject(folder / "altered", artifact.manifest, folder), Settings(threads=1))
        require_golden(backend, folder / "altered", artifact.manifest)
    except AgentError as error:
        return OTHERWISE if "another answer" in error.message else REFUSED
    except (RuntimeError, MemoryError, ValueError):
        return REFUSED  # the agent's `run_once` makes a fault of these
    return RIGHT


def _library_of_this_machine(folder: Path) -> None:
    """As a device has it for layers of GroupNL's own: its record in the agent, its file in a folder."""
    library = host_library(Silence())
    shutil.copy(library.path, folder / library.record.sha256)
    native_store.known_libraries = lambda: (library.record,)


def main() -> None:
    """All of them."""
    folder, first, count = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    if open_artifact(folder).manifest.native is not None:
        _library_of_this_machine(folder)
    param, weights = (folder / "model.param").read_bytes(), (folder / "model.bin").read_bytes()
    found: collections.Counter[str] = collections.Counter()
    for number in range(first, first + count):
        made = mutant(param, weights, number)
        outcome = tried(folder, *made)
        if outcome == -signal.SIGALRM:
            sys.exit(f"mutant {number} hung")
        words = {REFUSED: "refused", OTHERWISE: "otherwise", RIGHT: "right"}
        found[words.get(outcome, f"died {outcome}")] += 1
    sys.stdout.write(f"{dict(found)}\n")


if __name__ == "__main__":
    main()
