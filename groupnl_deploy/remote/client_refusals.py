"""Why OpenSSH's client did not connect: its words → the same errors that the other transport has."""

import re
from collections.abc import Callable

from groupnl_deploy.errors import DeviceUnavailable, DeviceUnreachable
from groupnl_deploy.remote import ssh_refusals as refusals
from groupnl_deploy.remote.openssh_config import user_home
from groupnl_deploy.remote.public_key import PublicKey
from groupnl_deploy.remote.ssh_socket import harmless, open_socket
from groupnl_deploy.remote.ssh_target import SshTarget

_Explain = Callable[[SshTarget, str], DeviceUnreachable]


def why_not_connected(target: SshTarget, log: bytes) -> DeviceUnreachable:
    """The error for what the client wrote to its log before it ended."""
    said = log.decode(errors="replace")
    explain = next((explain for words, explain in _WORDS if re.search(words, said)), _unexplained)
    return explain(target, said)


def _bad_host_key(target: SshTarget, said: str) -> DeviceUnreachable:
    shown = _shown_key(target)
    if shown is None:
        return _unexplained(target, said)
    if "IS REVOKED" in said or "REVOKED HOST KEY" in said:
        return refusals.revoked_host_key(target, shown)
    if "HAS CHANGED" in said:
        return refusals.changed_host_key(target, target.known_keys().trusted, shown)
    return refusals.unknown_host_key(target, shown, certified=False)


def _shown_key(target: SshTarget) -> PublicKey | None:
    """The client says of the key that it refuses at most the fingerprint; so it is asked for once more."""
    from groupnl_deploy.remote.ssh_login import offered_host_keys  # with paramiko, which takes a moment

    try:
        return next(iter(offered_host_keys(target)), None)
    except DeviceUnreachable:
        return None


def _not_let_in(target: SshTarget, said: str) -> DeviceUnreachable:
    found = re.search(r"Permission denied \(([^)]*)\)", said)
    methods = found[1].split(",") if found else []
    if "with partial success" in said:
        return refusals.more_wanted(target, methods)
    if methods and "publickey" not in methods:
        return refusals.no_keys_taken(target, methods)
    return refusals.keys_refused(target, _keys(target), [])


def _too_many(target: SshTarget, said: str) -> DeviceUnreachable:
    return refusals.too_many_keys(target, _keys(target))


def _keys(target: SshTarget) -> list[str]:
    own = [target.identity] if target.identity else []
    agent = [] if target.identities_only or target.agent is None else ["keys of ssh-agent"]
    return [*map(str, (*own, *target.config_identities)), *agent]


def _no_way(target: SshTarget, said: str) -> DeviceUnreachable:
    """Our own attempt tells a wrong name from a board that is off."""
    try:
        open_socket(target).close()
    except DeviceUnreachable as error:
        return error
    return refusals.dropped(target)  # it answers again


def _dropped(target: SshTarget, said: str) -> DeviceUnreachable:
    return _unexplained(target, said) if target.proxy else refusals.dropped(target)


def _no_agreement(target: SshTarget, said: str) -> DeviceUnreachable:
    return refusals.no_agreement(target, _last_line(said))


def _unexplained(target: SshTarget, said: str) -> DeviceUnavailable:
    return refusals.client_ended(target, _last_line(said))


def _last_line(said: str) -> str:
    lines = [line for line in said.replace(str(user_home()), "~").splitlines() if line.strip()]
    return harmless((lines or ["it said nothing"])[-1].encode()).rstrip(".")


_WORDS: tuple[tuple[str, _Explain], ...] = (
    ("Host key verification failed|No matching host key fingerprint", _bad_host_key),
    ("Too many authentication failures", _too_many),
    ("Permission denied", _not_let_in),
    ("Unable to negotiate|no matching ", _no_agreement),
    ("Could not resolve|connect to (host|address) .* port", _no_way),
    ("Connection (closed|reset)|kex_exchange_identification", _dropped),
)
