"""A backend's environment on a device: chosen and checked here, sent where the board has no network, made there.

The device builds it aside and switches to it in one step (`device_agent.provisioning`), so that a board always has the
environment it had, or the new one.
"""

from dataclasses import dataclass
from pathlib import Path

from device_agent.machine import Machine
from device_agent.messages.provision import (
    BuildEnvironment,
    Building,
    EnvironmentBuilt,
    OpenEnvironment,
    SendWheel,
)
from device_agent.messages.push import Held, PushFile
from groupnl_deploy.deploy.certified import certified_set
from groupnl_deploy.deploy.wheelhouse import Wheelhouse, choose_set, is_certified, read_wheelhouse
from groupnl_deploy.deploy.wheels import WheelSet, target_of
from groupnl_deploy.errors import UsageError
from groupnl_deploy.progress import Reporter, Unrepeated
from groupnl_deploy.remote.agent import open_agent
from groupnl_deploy.remote.client import AgentClient
from groupnl_deploy.remote.connect import connect
from groupnl_deploy.remote.device import Device
from groupnl_deploy.remote.retry import Budget, retrying
from groupnl_deploy.remote.transfer import TellBytes, held_bytes, pieces
from groupnl_deploy.remote.transport import Transport
from groupnl_deploy.remote.waiting import ORPHAN_S, take_lock


@dataclass(frozen=True)
class Wish:
    """What a user wants on a device.

    Args:
        backend: a key of `MAIN_PACKAGES`.
        version: of its package; None for the newest that is certified.
        uncertified: whether what nobody has run on such a board may be taken.
        offline: a wheelhouse to send; None where the board has network.
    """

    backend: str
    version: str | None = None
    uncertified: bool = False
    offline: Path | None = None


@dataclass(frozen=True)
class Provisioned:
    """What a device has now. `built` is null where it had just this before, and nothing was done."""

    set: WheelSet
    certified: bool
    built: EnvironmentBuilt | None


def provision_device(
    device: Device, wish: Wish, reporter: Reporter, *, wait_s: float, retry_for_s: float
) -> Provisioned:
    """`provision`, begun again where the device cannot be reached or the link is lost.

    That is for up to `retry_for_s` seconds in which not a byte more of the wheels comes across; what has arrived is not
    sent again.
    """
    told, patience_s, most_bytes = Unrepeated(reporter), wait_s, 0

    def sent(across_bytes: int) -> None:
        nonlocal most_bytes
        most_bytes = max(most_bytes, across_bytes)

    def once() -> Provisioned:
        nonlocal patience_s
        try:
            with connect(device, told.note) as transport:
                return provision(transport, wish, told, patience_s, sent)
        finally:
            patience_s = max(wait_s, ORPHAN_S)

    return retrying(once, Budget(retry_for_s), reporter.note, lambda: most_bytes)


def provision(
    transport: Transport, wish: Wish, reporter: Reporter, wait_s: float, tell: TellBytes = lambda across_bytes: None
) -> Provisioned:
    """Make the environment, unless the device has just this one. `tell` hears how much of the wheels is there.

    Raises `UsageError` for what such a board cannot run, `VerificationFailed` for a damaged wheelhouse, `DiskFull`,
    `DeviceFault` with what was in the way there.
    """
    wheelhouse = None if wish.offline is None else read_wheelhouse(wish.offline)
    with open_agent(transport) as agent:
        wheels = _set_for(agent, wish, wheelhouse, transport.name, reporter)
        take_lock(agent, transport.name, f"the provisioning of {wish.backend}", wait_s, reporter.note)
        opening = OpenEnvironment(wish.backend, wheels.requirements, wheels.unpacked_bytes, _announced(wheelhouse))
        opened = agent.ask(opening)
        built = None
        if not opened.is_there:
            if wheelhouse is not None:
                _send(agent, wheelhouse, opened.held, reporter, tell)
            built = _build(agent, reporter)
    return Provisioned(wheels, is_certified(wheels), built)


def _set_for(
    agent: AgentClient, wish: Wish, wheelhouse: Wheelhouse | None, device: str, reporter: Reporter
) -> WheelSet:
    """The set that goes there. Raises `UsageError` where there is none."""
    target, python = require_target(agent.machine, device), ".".join(agent.python.split(".")[:2])
    if wheelhouse is None:
        return choose_set(target, wish.backend, python, wish.version, wish.uncertified, reporter)
    found, possible = wheelhouse.set, certified_set(target, wish.backend, python) is not None
    for what, has, wants in (
        ("the backend", found.backend, wish.backend),
        ("Python", found.python, python),
        ("the target", found.target, target),
    ):
        if has != wants:
            raise UsageError(
                f"The wheelhouse {wheelhouse.folder} is for {what} {has}, and {device} has to have {wants}.",
                f"Make one: groupnl device wheelhouse --target {target} --backend {wish.backend} --python {python} "
                f"{'' if possible else '--uncertified '}--out DIR",
            )
    if wish.version is not None and str(found.main.version) != wish.version:
        raise UsageError(
            f"The wheelhouse {wheelhouse.folder} has {found.main.package} {found.main.version}, not {wish.version}.",
            "Leave --version out, or make a wheelhouse with it.",
        )
    if not wheelhouse.is_certified and not wish.uncertified:
        instead = ", or make a wheelhouse without --uncertified and --version"
        raise UsageError(
            f"Nobody has run the wheels in {wheelhouse.folder} on {target} yet.",
            f"Add --uncertified to take them{instead if possible else ''}.",
        )
    return found


def require_target(machine: Machine, device: str) -> str:
    """The wheels' target that a machine is. Raises `UsageError` with what is in the way where none is."""
    target = target_of(machine)
    if target is not None:
        return target.name
    if machine.bits == 32:
        raise UsageError(
            f"{device} has a 32-bit userland, and there are no wheels of onnxruntime or torch for it.",
            "Write a 64-bit system to its card (Raspberry Pi OS, 64-bit), whatever its kernel says.",
        )
    if machine.libc == "musl":
        raise UsageError(
            f"{device} has the C library musl, and there are no wheels of onnxruntime or torch for it.",
            "Use a system with glibc there, such as Raspberry Pi OS (64-bit).",
        )
    raise UsageError(
        f"There are no wheels for {device}, which is {machine}.",
        "Install the backend's packages there by hand, and name that Python: groupnl device add … --python PATH",
    )


def _announced(wheelhouse: Wheelhouse | None) -> tuple[PushFile, ...]:
    if wheelhouse is None:
        return ()
    wheels = (*wheelhouse.set.wheels, wheelhouse.pip)
    sizes = (file.stat().st_size for file in wheelhouse.files)
    return tuple(PushFile(wheel.file, wheel.sha256, size) for wheel, size in zip(wheels, sizes, strict=True))


def _send(
    agent: AgentClient,
    wheelhouse: Wheelhouse,
    held: tuple[Held, ...],
    reporter: Reporter,
    tell: TellBytes = lambda across_bytes: None,
) -> None:
    """Send what the device lacks of each wheel."""
    marks = {file.name: file.marks for file in held}
    requests, done_bytes = [], 0
    with reporter.task("Sending wheels") as task:
        for path in wheelhouse.files:

            def sent(across_bytes: int, before_bytes: int = done_bytes) -> None:
                task(before_bytes + across_bytes, wheelhouse.size_bytes, "bytes")
                tell(before_bytes + across_bytes)

            offset_bytes = held_bytes(path, marks.get(path.name, ()))
            if offset_bytes < path.stat().st_size:
                requests.append(SendWheel(path.name, offset_bytes))
                agent.send(requests[-1])
                agent.send_bytes(pieces(path, offset_bytes, sent))
            done_bytes += path.stat().st_size
        for request in requests:
            agent.answer_to(request)


def _build(agent: AgentClient, reporter: Reporter) -> EnvironmentBuilt:
    request = BuildEnvironment()
    with reporter.task("Building") as task:
        agent.send(request)
        return agent.answer_behind(request, Building, lambda news: task(0, None, news.step))
