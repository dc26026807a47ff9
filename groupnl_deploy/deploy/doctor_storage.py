"""Whether the device's file system takes what is sent: room, inodes, how it is mounted, whose it is. Pure."""

from collections.abc import Iterator

from device_agent.sizes import size_text
from groupnl_deploy.deploy.examined import Examined, Finding, Severity
from groupnl_deploy.words import command_line

_LEAST_BYTES = 2_000_000  # the agent, a ledger's line, a benchmark's raw latencies
_FEW_BYTES = 200_000_000  # a network of a hundred megabytes is there twice while a newer one arrives
_LEAST_FILES = 20
_FEW_FILES = 1000


def space(found: Examined) -> Iterator[Finding]:
    """Bytes and inodes."""
    volume, needed = found.readiness.volume, max(found.needed_bytes, _LEAST_BYTES)
    free, where = size_text(volume.free_bytes), f"the disk that holds {volume.root}"
    remedy = f"Free some space there: `df -h {volume.mount}`, `sudo apt clean`"
    if volume.free_bytes < needed:
        yield Finding("error", f"{where} has {free} free, and {size_text(needed)} are needed", remedy)
    elif volume.free_bytes < _FEW_BYTES:
        yield Finding("warning", f"{where} has only {free} free", remedy)
    else:
        yield Finding("fine", f"{free} free at {volume.root}")
    if volume.free_files is not None and volume.free_files < _FEW_FILES:
        severity: Severity = "error" if volume.free_files < _LEAST_FILES else "warning"
        text = (
            f"{where} has room for {volume.free_files} more files, however many bytes are free: its inodes are used up"
        )
        yield Finding(
            severity,
            text,
            f"Remove small files there: `df -i {volume.mount}` counts, and `sudo du --inodes -xd1 {volume.mount} | "
            "sort -n` names the folders that have most",
        )


def access(found: Examined) -> Iterator[Finding]:
    """Mount flags and rights."""
    volume = found.readiness.volume
    elsewhere = _another_root(found.name)
    if volume.read_only:
        yield Finding(
            "error",
            f"the file system of {volume.root} (mounted at {volume.mount}) is read-only",
            f"`dmesg | tail` there says whether the card failed; `sudo mount -o remount,rw {volume.mount}`, "
            f"or {elsewhere}",
        )
    elif not volume.writable:
        yield Finding(
            "error",
            f"the user there may not write in {volume.root}",
            f'On the device: `sudo chown -R "$USER" {volume.root}`, or {elsewhere}',
        )
    if volume.no_exec:
        loaded = [one.runtime.backend for one in found.readiness.backends if one.runtime.environment is not None]
        severity: Severity = "error" if set(loaded) & set(found.wanted or loaded) else "warning"
        yield Finding(
            severity,
            f"the file system of {volume.root} is mounted noexec, so no library loads from there: neither provisioned "
            "environments nor native operators work",
            f"`sudo mount -o remount,exec {volume.mount}`, or {elsewhere}",
        )


def _another_root(name: str) -> str:
    return (
        f"use another folder: `{command_line('device', 'remove', name)}`, then "
        f"`{command_line('device', 'add', name, '--root', 'DIR')}` with the options that it had"
    )
