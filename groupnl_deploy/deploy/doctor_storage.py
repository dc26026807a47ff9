"""Whether the device's file system takes what is sent: room, inodes, how it is mounted, whose it is. Pure.

A push asks for the very bytes that it lacks (`device_agent.disk`); here it is about what a device needs in any case.
"""

from collections.abc import Iterator

from device_agent.sizes import size_text
from groupnl_deploy.deploy.examined import Examined, Finding, Severity
from groupnl_deploy.words import command_line

_LEAST_BYTES = 1_000_000  # a benchmark's raw latencies, a ledger's line
_FEW_BYTES = 200_000_000  # a network of a hundred megabytes is there twice while a newer one arrives
_LEAST_INODES = 10
_FEW_INODES = 1000


def space(found: Examined) -> Iterator[Finding]:
    """Bytes and inodes."""
    room, needed = found.readiness.volume.room, max(found.needed_bytes, _LEAST_BYTES)
    where = f"the disk that holds {found.readiness.volume.root}"
    remedy = (
        f"`{command_line('device', 'prune', found.name)}` removes artifacts that are no longer used; on the device, "
        f"`sudo apt clean` removes downloaded packages, and `df -h {room.mount}` tells what is free"
    )
    if room.free_bytes < needed:
        yield Finding(
            "error", f"{where} has {size_text(room.free_bytes)} free, and {size_text(needed)} are needed", remedy
        )
    elif room.free_bytes < _FEW_BYTES:
        yield Finding("warning", f"{where} has only {size_text(room.free_bytes)} free", remedy)
    else:
        yield Finding("fine", f"{size_text(room.free_bytes)} free at {found.readiness.volume.root}")
    if room.free_inodes is not None and room.free_inodes < _FEW_INODES:
        severity: Severity = "error" if room.free_inodes < _LEAST_INODES else "warning"
        yield Finding(
            severity,
            f"{where} has room for {room.free_inodes} more files, however many bytes are free: its inodes are used up",
            f"Remove small files there: `sudo du --inodes -xd2 {room.mount} | sort -n | tail` names the folders that "
            "have most",
        )


def access(found: Examined) -> Iterator[Finding]:
    """Mount flags and rights."""
    volume = found.readiness.volume
    root, mount, elsewhere = volume.root, volume.room.mount, _another_root(found.name)
    if volume.room.read_only:
        yield Finding(
            "error",
            f"the file system of {root} (mounted at {mount}) is read-only",
            f"`sudo mount -o remount,rw {mount}` on the device, unless `sudo dmesg` tells that the card is damaged; "
            f"or {elsewhere}",
        )
    elif not volume.writable:
        yield Finding(
            "error",
            f"the user there may not write in {root}",
            f'On the device: `sudo chown -R "$USER" {root}`, or {elsewhere}',
        )
    if volume.no_exec:
        loaded = {one.runtime.backend for one in found.readiness.backends if one.runtime.environment is not None}
        severity: Severity = "error" if loaded and (not found.wanted or loaded & set(found.wanted)) else "warning"
        yield Finding(
            severity,
            f"the file system of {root} is mounted noexec, so no library loads from there: neither provisioned "
            "environments nor native operators work",
            f"On the device: `sudo mount -o remount,exec {mount}`, or {elsewhere}",
        )


def _another_root(name: str) -> str:
    return (
        f"use another folder: `{command_line('device', 'remove', name)}`, then "
        f"`{command_line('device', 'add', name, '--root', 'DIR')}` with the options that it had"
    )
