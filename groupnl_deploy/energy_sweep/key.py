"""What a measurement on a device holds for, told by the device or by a run; and whether a model holds for a device."""

from collections.abc import Mapping

from device_agent.messages.board import BoardFacts
from device_agent.messages.doctor import Readiness
from groupnl_deploy.bench.run import BenchRun
from groupnl_deploy.bench.set_members import require_cores
from groupnl_deploy.deploy.doctor import Purpose, require_fit
from groupnl_deploy.deploy.inventory import get_device
from groupnl_deploy.energy_model.sweep import Key, OtherKey
from groupnl_deploy.energy_sweep.plan import BACKEND
from groupnl_deploy.progress import Reporter, Unrepeated
from groupnl_deploy.remote.agent import reached
from groupnl_deploy.remote.retry import Budget, retrying
from groupnl_deploy.report.identity import board_name
from groupnl_deploy.words import command_line

EMULATED_BOARD = "an emulated board has neither time nor energy"


def key_of_device(device_name: str, threads: int, batch: int, reporter: Reporter, retry_for_s: float) -> Key:
    """What would be measured there now; `threads` of 0 are as many as it has cores.

    Raises what would keep the device from a benchmark, and `InvalidSetting` for more threads than it has cores.
    """
    there = _asked(device_name, "bench", reporter, retry_for_s)
    require_cores(device_name, there.board.cores, threads)
    return _key(there.board, threads or there.board.cores, _packages(there), batch)


def require_of_device(key: Key, device_name: str, threads: int | None, reporter: Reporter, retry_for_s: float) -> None:
    """Raise `OtherKey` with all in which the device, as it is now, is not what a model of this key holds for.

    Args:
        key: the model's. Its precision, pass and batch are no device's.
        device_name: as the inventory has it.
        threads: 0 asks for a model of as many as the device has cores; else it need only have cores for the key's.
        reporter: is told what is tried again.
        retry_for_s: how long a device that does not answer is sought.

    Raises what would keep the device from running the backend of a sweep.
    """
    there = _asked(device_name, "evaluate", reporter, retry_for_s)
    if there.board.emulated:
        raise OtherKey(
            f"{device_name}: {EMULATED_BOARD}, so no energy model is of it.",
            "Name a board in its place; or leave --device out, and see what is predicted for the model's own.",
        )
    cores = there.board.cores
    now = _key(there.board, cores if threads == 0 else min(key.threads, cores), _packages(there), key.batch)
    of_device = {name: getattr(now, name) for name in ("board", "clock_mhz", "threads", "runtime")}
    if found := key.differences(of_device, lambda value: f"{device_name} has {value}"):
        options = "--device and --threads" if threads == 0 else "--device"
        raise OtherKey(
            f"This energy model is {found}. What a convolution costs there it does not know.",
            f"Measure layers there and fit them: {_sweep(device_name, now)}, then groupnl energy-model fit. Or leave "
            f"{options} out, and see what is predicted for the model's own.",
        )


def _sweep(device_name: str, now: Key) -> str:
    """The command that measures what a model of it is fitted to."""
    options = ("--threads", now.threads, "--batch", now.batch, "--out", f"runs/{device_name}-sweep")
    return command_line("energy-model", "sweep", "--device", device_name, *options)


def _asked(device_name: str, purpose: Purpose, reporter: Reporter, retry_for_s: float) -> Readiness:
    """What the device is now. Raises what would keep it from that."""
    device, told = get_device(device_name), Unrepeated(reporter)

    def ask() -> Readiness:
        with reached(device, say=told.note) as agent:
            return require_fit(agent, device.name, purpose, told.note, backends=(BACKEND,))

    return retrying(ask, Budget(retry_for_s), reporter.note)


def _packages(there: Readiness) -> Mapping[str, str | None]:
    return next(one.runtime.packages for one in there.backends if one.runtime.backend == BACKEND)


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
