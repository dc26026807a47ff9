"""The device that is asked what a training would take there: a real one, on which PyTorch runs."""

from functools import partial

from device_agent.messages.board import Probe
from groupnl_deploy.bench.set_members import require_cores
from groupnl_deploy.deploy.doctor import require_fit
from groupnl_deploy.deploy.inventory import get_device
from groupnl_deploy.errors import UsageError
from groupnl_deploy.progress import Reporter, Unrepeated
from groupnl_deploy.remote.agent import reached
from groupnl_deploy.remote.device import Device
from groupnl_deploy.remote.retry import Budget, retrying
from groupnl_deploy.training_estimate.carry_out import BACKEND


def require_board(device_name: str, threads: int, reporter: Reporter, retry_for_s: float) -> None:
    """Raise `UsageError` where an emulator computes, and what would keep the device from a benchmark."""
    device = get_device(device_name)
    retrying(partial(_ask, device, threads, Unrepeated(reporter)), Budget(retry_for_s), reporter.note)


def _ask(device: Device, threads: int, reporter: Reporter) -> None:
    with reached(device, say=reporter.note) as agent:
        board = agent.ask(Probe())
        if board.emulated:  # first: nobody shall provide it with packages for nothing
            raise UsageError(
                f"{device.name} is emulated: its times say nothing of a board, and days would be added up from them.",
                "Name a real board with --device, or --device local for this machine.",
            )
        require_fit(agent, device.name, "bench", reporter.note, backends=(BACKEND,))
    require_cores(device.name, board.cores, threads)
