"""Starting the processes of one training on this machine, by torchrun's own launcher, and starting them again.

One that is killed takes the others with it; all are started again and go on from the last saved state. One that ends
with an error of ours would meet the same again, so it leaves its exit code in a folder and ends quietly.
"""

import contextlib
import logging
import os
import re
import signal
import socket
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from groupnl_deploy.errors import GroupNLError
from power.temporary import LockedFolder

ENDED = "GROUPNL_ENDED"
"""The environment variable with the folder in which a started process leaves its exit code."""
FIRST = "0"
"""The rank of the process that talks."""
_TOLD = "told"
_LOOK_S = 0.1
_SIGNALS = ("SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT")  # torchrun's own list
_MODULE = "groupnl_deploy.cli.train_rank"
_FOLDER = "groupnl-train-"


class ProcessesLost(GroupNLError):
    """The processes of a training were killed more often than they are started again."""


def is_launched(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether this process is one of several that torchrun started."""
    return int(environment.get("WORLD_SIZE", "1")) > 1


def follows(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether this process trains with a first one, which tells for both that they were stopped."""
    return environment.get("RANK", FIRST) != FIRST and is_launched(environment)


def tells(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether this process shall tell why it ends: of those that `launch` started, the first one that asks."""
    folder = environment.get(ENDED)
    if folder is None:
        return True
    try:
        (Path(folder) / _TOLD).touch(exist_ok=False)
    except FileExistsError:
        return False
    except OSError:  # better twice than not at all
        return True
    return True


def other_has_ended(folder: Path, seconds: float) -> bool:
    """Whether within so many seconds another process of this training has left the code of an error of its own."""
    end_s = time.monotonic() + seconds
    while not any(_codes(folder)):
        if time.monotonic() > end_s:
            return False
        time.sleep(_LOOK_S)
    return True


def launch(processes: int, arguments: Sequence[str], restarts: int) -> int:
    """Run `groupnl` with these arguments in so many processes. Returns the exit code of the first that had one.

    Args:
        processes: on this machine.
        arguments: of the command line.
        restarts: how often all are started again where one is killed.

    Raises `ProcessesLost` where that was not enough, `KeyboardInterrupt` where this one was asked to stop.
    """
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    _silence_torchrun()
    with contextlib.closing(LockedFolder(_of_this_machine(_FOLDER))) as kept:
        os.environ[ENDED] = str(kept.path)
        config = LaunchConfig(
            min_nodes=1,
            max_nodes=1,
            nproc_per_node=processes,
            rdzv_backend="c10d",
            rdzv_endpoint="localhost:0",
            run_id=kept.path.name,
            max_restarts=restarts,
            logs_specs=DefaultLogsSpecs(str(kept.path / "torchrun")),  # it would leave a folder of its own
            **_heeded_signals(LaunchConfig),
        )
        try:
            elastic_launch(config, sys.executable)("-m", _MODULE, *arguments)
        except SignalException as error:
            if not (kept.path / FIRST).exists():
                raise KeyboardInterrupt from error
        except ChildFailedError as error:
            raise _lost(next(iter(error.failures.values())).exitcode, restarts) from error
        return _code(kept.path)


def _of_this_machine(prefix: str) -> str:
    """Of a folder's name: where machines share their temporary files, some do not see each other's locks."""
    return f"{prefix}{re.sub('[^A-Za-z0-9_-]', '-', socket.gethostname())}-"


def _lost(code: int, restarts: int) -> ProcessesLost:
    """Of a process that ended with a code, negative for a signal."""
    how = f"signal {-code}" if code < 0 else f"exit code {code}"
    again = f", and so it did after {restarts} new starts" if restarts else ""
    return ProcessesLost(
        f"A process of this training ended with {how}{again}.",
        "Most often memory ran out: take smaller batches, or fewer processes. The same command goes on from the last "
        "saved state.",
    )


def _silence_torchrun() -> None:
    """What it says of processes that end, we say shorter. Each of its loggers has a level of its own."""
    for name in list(logging.root.manager.loggerDict):
        if name.startswith("torch.distributed.elastic"):
            logging.getLogger(name).setLevel(logging.CRITICAL)


def _heeded_signals(config: type) -> dict[str, Any]:
    """Whoever started us with a signal ignored, as `nohup` does, is not contradicted, where this PyTorch has a say."""
    if "signals_to_handle" not in config.__dataclass_fields__:  # type: ignore[attr-defined]  # it is a dataclass
        return {}
    heeded = (name for name in _SIGNALS if signal.getsignal(getattr(signal, name)) is not signal.SIG_IGN)
    return {"signals_to_handle": ",".join(heeded)}


def _code(folder: Path) -> int:
    """What the first process says, whom the others only follow. Raises `ProcessesLost` where none says any."""
    left = list(_codes(folder))
    if not left:
        raise ProcessesLost(
            f"How this training ended is not known: no process has left its exit code in {folder}.",
            "See whether the checkpoint is there; if not, the same command goes on from the last saved state. What "
            "cleans that disk must leave it alone, or name another in the variable TMPDIR.",
        )
    return next((code for code in left if code), 0)


def _codes(folder: Path) -> Iterator[int]:
    """What the processes have left, by rank; nothing where the folder has gone with a launcher that was killed."""
    try:
        ranks = sorted(int(file.name) for file in folder.iterdir() if file.name.isdecimal())
    except FileNotFoundError:
        return
    for rank in ranks:
        yield int((folder / str(rank)).read_text() or "0")  # empty while it is written


def leave_code(folder: Path, rank: str, code: int) -> None:
    """Have the launcher know with what a process ended, unless it was killed and its folder is gone."""
    with contextlib.suppress(FileNotFoundError):
        (folder / rank).write_text(str(code))
