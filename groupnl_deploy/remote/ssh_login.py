"""How an SSH connection comes about: the board's host key verified, our keys shown, every refusal explained."""

import logging
import socket
from pathlib import Path

import paramiko

from groupnl_deploy.errors import DeviceUnreachable, UsageError
from groupnl_deploy.remote import ssh_refusals as refusals
from groupnl_deploy.remote.device import Device
from groupnl_deploy.remote.ssh_target import SshTarget, config_file, config_text, open_socket, resolve

# Without a handler of its own, paramiko's log of a failed handshake would be printed on stderr.
logging.getLogger("paramiko").addHandler(logging.NullHandler())

CHANNEL_TIMEOUT_S = 15.0
"""How long the server may take to open a channel."""

_HANDSHAKE_TIMEOUT_S = 15.0


class _RefuseUnknown(paramiko.MissingHostKeyPolicy):
    def __init__(self, target: SshTarget) -> None:
        self._target = target

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:
        raise refusals.unknown_host_key(self._target, key.get_name(), key.fingerprint)


def find(device: Device) -> SshTarget:
    """Where a device is and how to knock there, with what the user's SSH configuration says of it."""
    try:
        options = paramiko.SSHConfig.from_text(config_text(device)).lookup(device.host or "")
    except (paramiko.SSHException, ImportError) as error:
        raise UsageError(f"{config_file()} cannot be used: {error}.", "Repair or simplify it.") from error
    return resolve(device, options)


def log_in(target: SshTarget) -> paramiko.SSHClient:
    """An authenticated connection. Raises `DeviceUnreachable`, or `UsageError` for a damaged known_hosts file."""
    _check_identity(target)
    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(_RefuseUnknown(target))
    for file in target.known_hosts:
        _load_known_hosts(client, file)
    sock = open_socket(target)
    try:
        _handshake(client, target, sock)
    except BaseException as error:
        explained = _explain(error, client, target)
        client.close()
        sock.close()
        if explained is error:
            raise
        raise explained from error
    return client


def _handshake(client: paramiko.SSHClient, target: SshTarget, sock: socket.socket) -> None:
    own = [str(target.identity)] if target.identity else []
    client.connect(
        target.known_as,
        target.port,
        target.user,
        sock=sock,
        key_filename=[*own, *target.config_identities],  # type: ignore[arg-type]  # a list is documented
        allow_agent=not target.identities_only,
        look_for_keys=not target.identities_only,
        timeout=_HANDSHAKE_TIMEOUT_S,
        banner_timeout=_HANDSHAKE_TIMEOUT_S,
        auth_timeout=_HANDSHAKE_TIMEOUT_S,
        channel_timeout=CHANNEL_TIMEOUT_S,
    )


def _explain(error: BaseException, client: paramiko.SSHClient, target: SshTarget) -> BaseException:
    """Our error for what the handshake raised; what is no failure of the handshake comes back as it is."""
    if not isinstance(error, paramiko.SSHException | EOFError | OSError):
        return error
    if isinstance(error, paramiko.BadHostKeyException):
        return refusals.changed_host_key(target, error.expected_key.fingerprint, error.key.fingerprint)
    transport = client.get_transport()
    if transport is not None and transport.initial_kex_done:
        return _not_let_in(target, judged=transport.is_active() and "timeout" not in str(error))
    if isinstance(error, paramiko.ssh_exception.IncompatiblePeer):
        return refusals.no_handshake(target, str(error))
    return refusals.no_server(target)


def _not_let_in(target: SshTarget, *, judged: bool) -> DeviceUnreachable:
    """The two sides met; our keys were refused, or nobody had judged them when the link ended."""
    keys = _key_files(target)
    agent = [] if target.identities_only else ["keys of ssh-agent"]
    if not judged:
        return refusals.keys_not_judged(target, [*keys, *agent])
    return refusals.keys_refused(target, [*keys, *agent], [key for key in keys if _is_locked(key)])


def _key_files(target: SshTarget) -> list[str]:
    """The private keys that the handshake tries, in its order."""
    own = [str(target.identity)] if target.identity else []
    defaults = [Path.home() / ".ssh" / f"id_{kind}" for kind in ("rsa", "ecdsa", "ed25519")]
    found = [] if target.identities_only else [str(path) for path in defaults if path.is_file()]
    return list(dict.fromkeys([*own, *target.config_identities, *found]))


def _is_locked(key_file: str) -> bool:
    try:
        paramiko.PKey.from_path(key_file)
    except (TypeError, paramiko.PasswordRequiredException):  # so the cryptography package says it, and paramiko
        return True
    except Exception:
        return False
    return False


def _check_identity(target: SshTarget) -> None:
    """Refuse a key file that cannot be one before anything is sent; an encrypted one may be in the agent."""
    if target.identity is None:
        return
    try:
        target.identity.read_bytes()
    except OSError as error:
        why = "does not exist" if isinstance(error, FileNotFoundError) else f"cannot be read: {error.strerror}"
        raise refusals.no_identity(target, why) from error
    try:
        paramiko.PKey.from_path(target.identity)
    except (TypeError, paramiko.PasswordRequiredException):
        return
    except Exception as error:  # each kind of key and of damage has an exception of its own
        raise refusals.no_identity(target, "is not a private key of a known kind") from error


def _load_known_hosts(client: paramiko.SSHClient, file: Path) -> None:
    try:
        client.load_system_host_keys(str(file))
    except Exception as error:  # one damaged line spoils the file
        raise UsageError(f"{file} cannot be read: {error}.", "Repair or remove the line it names.") from error
