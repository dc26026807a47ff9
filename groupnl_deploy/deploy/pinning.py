"""Which host key a new device is known by: one that was compared on the board's console, shown first, then pinned.

Where known_hosts knows the machine already, nothing is pinned and that goes on deciding, as it does for `ssh`.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from groupnl_deploy.errors import DeviceUnreachable, UsageError
from groupnl_deploy.remote.device import Device
from groupnl_deploy.remote.known_hosts import KnownKeys
from groupnl_deploy.remote.public_key import PublicKey

_FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")


@dataclass(frozen=True)
class Question:
    """Is this the board's own key? `compare` is the command that prints the fingerprint on the board's console."""

    key: PublicKey
    compare: str


Confirm = Callable[[Question], bool]


def require_fingerprint(text: str) -> None:
    """Raise `UsageError` for what `ssh-keygen -l` does not print."""
    if not _FINGERPRINT.fullmatch(text):
        raise UsageError(
            f"“{text}” is no SHA256 fingerprint of a host key.",
            "Give it as `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` prints it on the board: SHA256:… with 43 "
            "characters.",
        )


def key_to_pin(device: Device, fingerprint: str | None, confirm: Confirm | None) -> PublicKey | None:
    """Ask the machine for its keys and choose; None where known_hosts decides. See `choose`."""
    from groupnl_deploy.remote.ssh_login import offered_host_keys
    from groupnl_deploy.remote.ssh_target import find

    target = find(device)
    return choose(offered_host_keys(target), target.known_keys(), fingerprint, confirm, str(target))


def choose(
    offered: Sequence[PublicKey],
    known: KnownKeys,
    fingerprint: str | None,
    confirm: Confirm | None,
    machine: str,
) -> PublicKey | None:
    """The key to pin. Pure.

    Args:
        offered: the machine's keys, the best first.
        known: what known_hosts says of it.
        fingerprint: of the key that it must have, as the user knows it.
        confirm: asks the user; None where there is nobody to ask.
        machine: what messages call it.

    Raises:
        DeviceUnreachable: it has no such key, nobody could be asked, or the user said no.
    """
    if fingerprint is not None:
        return _with_fingerprint(offered, fingerprint, machine)
    verdicts = {known.verdict(key) for key in offered}
    if verdicts != {"unknown"} or known.authorities:
        return None  # known; or changed or revoked, which the login refuses
    best = offered[0]
    question = Question(best, f"ssh-keygen -lf {host_key_file(best.type)}")
    if confirm is None:
        raise DeviceUnreachable(
            f"{machine} shows a host key that nobody has vouched for: {best.type} {best.fingerprint}",
            f"Compare it with what `{question.compare}` prints on the board's own console; if they are equal, run the "
            f"same command with `--fingerprint {best.fingerprint}`.",
        )
    if not confirm(question):
        raise DeviceUnreachable(
            f"The host key of {machine} was not confirmed, so nothing was sent to it.",
            f"Compare {best.fingerprint} with what `{question.compare}` prints on the board's own console, and run the "
            "command again.",
        )
    return best


def pinned_fingerprint(host_key: str) -> str:
    """The fingerprint of a device's pinned key; of a damaged one, the text."""
    try:
        return PublicKey.parse(host_key).fingerprint
    except ValueError:
        return host_key


def host_key_file(key_type: str) -> str:
    """Where a board has its key of a type; a pattern for a type that is none of the usual ones."""
    kind = next((kind for kind in ("ed25519", "ecdsa", "rsa") if kind in key_type), "*")
    return f"/etc/ssh/ssh_host_{kind}_key.pub"


def _with_fingerprint(offered: Sequence[PublicKey], fingerprint: str, machine: str) -> PublicKey:
    for key in offered:
        if key.fingerprint == fingerprint:
            return key
    shown = ", ".join(f"{key.type} {key.fingerprint}" for key in offered)
    raise DeviceUnreachable(
        f"{machine} has no host key with the fingerprint {fingerprint}; it shows {shown}. Another machine may be "
        "posing as the board, and nothing was sent to it.",
        "Read the fingerprint again on the board's own console: `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub`.",
    )
