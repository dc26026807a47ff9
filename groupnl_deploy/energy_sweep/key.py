"""What a measurement on a device holds for: told by the device before it, and by a run behind it."""

from collections.abc import Mapping
from functools import partial

from device_agent.messages.board import BoardFacts
from groupnl_deploy.bench.run import BenchRun
from groupnl_deploy.bench.set_members import require_cores
from groupnl_deploy.deploy.doctor import require_fit
from groupnl_deploy.deploy.inventory import get_device
from groupnl_deploy.energy_model.sweep import Key
from groupnl_deploy.energy_sweep.plan import BACKEND
from groupnl_deploy.progress import Reporter, Unrepeated
from groupnl_deploy.remote.agent import reached
from groupnl_deploy.remote.device import Device
from groupnl_deploy.remote.retry import Budget, retrying
from groupnl_deploy.report.identity import board_name


def key_of_device(device_name: str, threads: int, batch: int, reporter: Reporter, retry_for_s: float) -> Key:
    """What would be measured there now; `threads` of 0 are as many as it has cores.

    Raises what would keep the device from a benchmark, and `InvalidSetting` for more threads than it has cores.
    """
    device = get_device(device_name)
    ask = partial(_asked, device, threads, batch, Unrepeated(reporter))
    return retrying(ask, Budget(retry_for_s), reporter.note)


def _asked(device: Device, threads: int, batch: int, reporter: Reporter) -> Key:
    with reached(device, say=reporter.note) as agent:
        ready = require_fit(agent, device.name, "bench", reporter.note, backends=(BACKEND,))
    require_cores(device.name, ready.board.cores, threads)
    packages = next(one.runtime.packages for one in ready.backends if one.runtime.backend == BACKEND)
    return _key(ready.board, threads or ready.board.cores, packages, batch)


def key_of_run(run: BenchRun, batch: int) -> Key:
    """What a run was measured on."""
    return _key(run.result.board_before, run.result.settings.threads, run.result.versions, batch)


def _key(board: BoardFacts, threads: int, versions: Mapping[str, str | None], batch: int) -> Key:
    target_hz = board.clock_target_hz
    return Key(
        board=board_name(board),
        clock_mhz=None if target_hz is None else target_hz / 1e6,
        threads=threads,
        runtime=f"{BACKEND} {versions.get(BACKEND) or 'of an unknown version'}",
        batch=batch,
    )
