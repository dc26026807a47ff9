"""A new device: its host key pinned, the board asked what it is, and both remembered; or nothing at all."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from device_agent.messages.doctor import AskReadiness, Readiness
from groupnl_deploy.deploy.devices_file import DeviceFacts
from groupnl_deploy.deploy.inventory import add_device, new_device, require_group_name
from groupnl_deploy.deploy.pinning import Confirm, key_to_pin, require_fingerprint
from groupnl_deploy.remote.agent import open_agent
from groupnl_deploy.remote.connect import connect
from groupnl_deploy.remote.device import Device
from groupnl_deploy.remote.public_key import PublicKey


@dataclass(frozen=True)
class Added:
    """A device as it is remembered, and the key that was pinned, if one was."""

    device: Device
    facts: DeviceFacts
    pinned: PublicKey | None


def add_probed(
    device: Device, groups: Sequence[str] = (), *, fingerprint: str | None = None, confirm: Confirm | None = None
) -> Added:
    """Reach a board, pin its key, ask what it is, remember it. What is in the way is raised, and nothing remembered.

    `fingerprint` is that of its host key, as its owner knows it; `confirm` asks the user about an unknown key.
    """
    if fingerprint is not None:
        require_fingerprint(fingerprint)
    for group in groups:
        require_group_name(group)
    device = new_device(device)
    key = key_to_pin(device, fingerprint, confirm)
    device = replace(device, host_key=None if key is None else str(key))
    facts = probe(device)
    return Added(add_device(device, facts, groups), facts, key)


def probe(device: Device) -> DeviceFacts:
    """What a device is, asked now. Raises `DeviceUnreachable` and whatever keeps the agent from running there."""
    with connect(device) as transport, open_agent(transport) as agent:
        return facts_from(agent.ask(AskReadiness(())))


def facts_from(readiness: Readiness) -> DeviceFacts:
    """The part of an answer just given that is worth remembering."""
    board, machine = readiness.board, readiness.machine
    return DeviceFacts(
        probed_at=datetime.now(UTC).isoformat(timespec="seconds"),
        model=board.model,
        system=board.system,
        kernel=board.kernel,
        machine=machine.machine,
        bits=machine.bits,
        libc=machine.libc,
        libc_version=machine.libc_version,
        python=board.python,
        cores=board.cores,
        memory_total_bytes=board.memory_total_bytes,
        disk_free_bytes=readiness.volume.room.free_bytes,
    )
