"""The keys that are shown to an SSH device, in their order: those in files and those in an agent.

As OpenSSH does, a key whose file is encrypted is used by the agent's copy of it, and keys of the configuration that the
agent has come before its others. Other than OpenSSH, the key that the device names comes before all.
"""

import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import paramiko
from paramiko.agent import AgentKey, AgentSSH

from groupnl_deploy.remote import ssh_refusals as refusals
from groupnl_deploy.remote.public_key import PublicKey, read_public
from groupnl_deploy.remote.ssh_target import SshTarget

AGENT_LABEL = "a key of ssh-agent"


class KeyLocked(Exception):
    """A private key is encrypted."""


class KeyUnusable(Exception):
    """A file holds no private key of a known kind."""


@dataclass(frozen=True)
class Candidate:
    """A key to show: what messages call it, and how to get it (raises `KeyLocked` or `KeyUnusable`)."""

    label: str
    load: Callable[[], paramiko.PKey]
    in_agent: bool


@dataclass(frozen=True)
class _Identity:
    """A key file that device or configuration name: its public half where it is known, and its certificates."""

    path: Path
    public: PublicKey | None
    certificates: tuple[PublicKey, ...]


def candidates(target: SshTarget, agent: Sequence[AgentKey]) -> list[Candidate]:
    """All keys to try, the likeliest first: named, configured and in the agent, the agent's others, configured."""
    held = {key.blob: key for key in agent}
    named = _shown(_identity(target.identity, target), held) if target.identity else []
    configured = [shown for path in target.config_identities for shown in _shown(_identity(path, target), held)]
    others = [] if target.identities_only else [_of_agent(AGENT_LABEL, key) for key in held.values()]
    return [
        *named,
        *(candidate for candidate in configured if candidate.in_agent),
        *others,
        *(candidate for candidate in configured if not candidate.in_agent),
    ]


def require_identity(target: SshTarget, agent: Sequence[AgentKey]) -> None:
    """Refuse a named key that cannot be one before anything is sent; an encrypted one may be in the agent."""
    if target.identity is None:
        return
    identity = _identity(target.identity, target)
    if identity.public and any(key.blob == identity.public.blob for key in agent):
        return
    try:
        text = target.identity.read_text(errors="replace")
    except OSError as error:
        why = "does not exist" if isinstance(error, FileNotFoundError) else f"cannot be read: {error.strerror}"
        raise refusals.no_identity(target, why) from error
    if identity.public and "PRIVATE KEY" not in text:
        raise refusals.public_identity(target)
    with suppress(KeyLocked):
        try:
            _from_file(target.identity)
        except KeyUnusable as error:
            raise refusals.no_identity(target, "is not a private key of a known kind") from error


@contextmanager
def agent_keys(target: SshTarget) -> Iterator[Sequence[AgentKey]]:
    """The keys of the agent that the configuration names, or of $SSH_AUTH_SOCK; none where it does not answer."""
    agent = None
    with suppress(OSError, paramiko.SSHException):
        if target.agent is not None:
            agent = _AgentAt(target.agent) if target.agent else paramiko.Agent()
    try:
        yield agent.get_keys() if agent else ()
    finally:
        if agent:
            agent.close()


class _AgentAt(AgentSSH):
    """The agent behind a socket; paramiko itself opens that of $SSH_AUTH_SOCK alone."""

    def __init__(self, path: str) -> None:
        super().__init__()
        sock = socket.socket(socket.AF_UNIX)
        try:
            sock.connect(path)
            self._connect(sock)  # type: ignore[attr-defined]  # what paramiko.Agent calls
        except BaseException:
            sock.close()
            raise

    def close(self) -> None:
        self._close()  # type: ignore[attr-defined]


class _AgentKey(AgentKey):
    """A key that the agent will not sign with, as one whose use has to be confirmed, counts as one that is refused.

    paramiko's would end the connection, and the keys after it would never be tried.
    """

    def __init__(self, key: AgentKey) -> None:
        super().__init__(key.agent, key.blob, key.comment)

    def sign_ssh_data(self, data: Any, algorithm: str | None = None) -> Any:
        try:
            return super().sign_ssh_data(data, algorithm)
        except (paramiko.SSHException, OSError):
            return b""


def _identity(path: Path, target: SshTarget) -> _Identity:
    public = read_public(path)
    files = (path.with_name(f"{path.name.removesuffix('.pub')}-cert.pub"), *target.certificates)
    found = [certificate for file in files if (certificate := read_public(file))]
    own = [certificate for certificate in found if public and certificate.certified() == public]
    return _Identity(path, public, tuple(dict.fromkeys(own)))


def _shown(identity: _Identity, held: dict[bytes, AgentKey]) -> list[Candidate]:
    """What one identity is shown as: with each certificate, then without. Takes what it uses out of `held`."""
    label, public = str(identity.path), identity.public
    plain = held.pop(public.blob, None) if public else None
    shown = []
    for certificate in identity.certificates:
        if whole := held.pop(certificate.blob, None):
            shown.append(_of_agent(label, whole))
        elif plain:
            shown.append(_of_agent(label, plain, certificate))
        else:
            shown.append(Candidate(label, partial(_from_file, identity.path, certificate), False))
    last = _of_agent(label, plain) if plain else Candidate(label, partial(_from_file, identity.path), False)
    return [*shown, last]


def _of_agent(label: str, key: AgentKey, certificate: PublicKey | None = None) -> Candidate:
    return Candidate(label, partial(_with, _AgentKey(key), certificate), True)


def _from_file(path: Path, certificate: PublicKey | None = None) -> paramiko.PKey:
    try:
        return _with(paramiko.PKey.from_path(path), certificate)
    except (TypeError, paramiko.PasswordRequiredException) as error:  # so cryptography says it, and paramiko
        raise KeyLocked from error
    except Exception as error:  # each kind of key and of damage has an exception of its own
        raise KeyUnusable from error


def _with(key: paramiko.PKey, certificate: PublicKey | None) -> paramiko.PKey:
    """The key with this certificate alone; paramiko loads one that lies beside a file by itself."""
    key.public_blob = None
    if certificate:
        key.load_certificate(str(certificate))
    return key
