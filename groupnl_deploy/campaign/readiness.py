"""What a campaign needs and may not find: asked before the first minute of training is spent.

The device is reached over its real transport with the real agent, and the meter is opened as a benchmark opens it.
"""

import shutil
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from device_agent.manifest import Format, NativeModel, NativeOperators
from device_agent.sizes import size_text
from exporters.native.operators import DOMAIN, VERSION
from exporters.ncnn.record import layers_record
from exporters.targets import TARGETS
from exporters.targets.base import Target
from groupnl_deploy.bench.meter import MeterPlan, require_answer
from groupnl_deploy.bench.set_members import require_cores
from groupnl_deploy.deploy.doctor import require_fit
from groupnl_deploy.deploy.native import agent_with_library
from groupnl_deploy.errors import DiskFull
from groupnl_deploy.native.libraries import host_library
from groupnl_deploy.progress import Reporter, Unrepeated
from groupnl_deploy.remote.agent import open_agent
from groupnl_deploy.remote.connect import connect
from groupnl_deploy.remote.device import Device
from groupnl_deploy.remote.retry import DEFAULT_RETRY_S, Budget, retrying
from groupnl_deploy.remote.transport import Transport
from groupnl_deploy.workspace import existing, require_writable

_FLOAT_BYTES = 4
# In copies of the weights: a checkpoint has them once and twice again in the training's state, which lies there twice
# more while a new state is written beside the old one.
_CHECKPOINT_COPIES, _TRAINING_COPIES = 3, 4
_RUNS_BYTES = 16_000_000  # recordings, latencies and reports
_DEVICE_BYTES = 4_000_000  # the agent, manifests and golden pairs


@dataclass(frozen=True)
class DeviceNeeds:
    """What is asked of one device.

    Args:
        device: how it is reached.
        weights: numbers in each artifact that will be pushed.
        backends: that will be benchmarked there.
        threads: the most that a benchmark wants; 0 for all there are.
        plan: the meter that is wired to it, None without one.
        native: targets and formats of the native operators that will be pushed.
    """

    device: Device
    weights: tuple[int, ...] = ()
    backends: tuple[str, ...] = ()
    threads: int = 0
    plan: MeterPlan | None = None
    native: tuple[tuple[str, Format], ...] = ()

    @property
    def disk_bytes(self) -> int:
        """About what its disk must hold."""
        return _FLOAT_BYTES * sum(self.weights) + _DEVICE_BYTES


@dataclass(frozen=True)
class Needs:
    """What the rest of a campaign asks of the world.

    Args:
        out: the folder that keeps everything.
        trained: numbers in the weights of each network that will be made.
        exported: numbers in each artifact that will be made.
        devices: those that the rest asks for.
        native: whether an export with native operators will be proved here.
    """

    out: Path
    trained: tuple[int, ...] = ()
    exported: tuple[int, ...] = ()
    devices: tuple[DeviceNeeds, ...] = ()
    native: bool = False

    @property
    def host_bytes(self) -> int:
        """About what the host's disk must hold."""
        kept = _CHECKPOINT_COPIES * sum(self.trained) + sum(self.exported)
        return _FLOAT_BYTES * (kept + _TRAINING_COPIES * max(self.trained, default=0)) + _RUNS_BYTES


def require_ready(needs: Needs, reporter: Reporter) -> None:
    """Raise what a later stage would: `UsageError`, `DiskFull`, `DeviceUnreachable`, or the meter's `PowerError`.

    Libraries of native operators that are missing are built now.
    """
    require_writable(needs.out)
    _require_room(shutil.disk_usage(existing(needs.out)).free, needs.host_bytes, f"The disk that holds {needs.out}")
    if needs.native:
        host_library(reporter)
    for each in needs.devices:
        if each.plan is not None:
            require_answer(each.plan)
            reporter.note(f"The meter {each.plan.meter} answers.")
        retrying(partial(_ask_device, each, Unrepeated(reporter)), Budget(DEFAULT_RETRY_S), reporter.note)


def _ask_device(needs: DeviceNeeds, reporter: Reporter) -> None:
    with connect(needs.device, reporter.note) as transport:
        _require_device(transport, needs, reporter)


def _require_device(transport: Transport, needs: DeviceNeeds, reporter: Reporter) -> None:
    with ExitStack() as running:
        agent = running.enter_context(open_agent(transport))
        ready = require_fit(
            agent,
            transport.name,
            "campaign",
            reporter.note,
            backends=needs.backends,
            needed_bytes=needs.disk_bytes,
        )
        for target, format in needs.native:
            agent = agent_with_library(running, transport, agent, _native_for(TARGETS[target], format), reporter)
    require_cores(transport.name, ready.board.cores, needs.threads)
    reporter.note(f"{transport.name} answers and has {size_text(ready.volume.room.free_bytes)} free.")


def _native_for(target: Target, format: Format) -> NativeOperators:
    """What an export for a target asks of a device, as far as it is known before the export."""
    if format == "ncnn":
        return layers_record({})
    models = tuple(NativeModel(f"{block}", block, target.oldest_runtime) for block in target.native_blocks)
    return NativeOperators(DOMAIN, VERSION, {}, models)


def _require_room(free_bytes: int, needed_bytes: int, whose: str) -> None:
    if free_bytes < needed_bytes:
        raise DiskFull(
            f"{whose} has {size_text(free_bytes)} free, and this campaign needs about {size_text(needed_bytes)}.",
            "Free some space there, then run the command again; nothing was begun.",
        )
