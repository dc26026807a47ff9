"""How an SSH connection comes about: the board's host key verified, our keys shown, every refusal explained."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import paramiko
from paramiko.agent import AgentKey
from paramiko.ssh_exception import BadAuthenticationType, IncompatiblePeer

from groupnl_deploy.errors import DeviceUnreachable
from groupnl_deploy.remote import ssh_refusals as refusals
from groupnl_deploy.remote.keys import (
    KeyLocked,
    KeyUnusable,
    agent_keys,
    candidates,
    require_identity,
)
from groupnl_deploy.remote.known_hosts import KnownKeys
from groupnl_deploy.remote.public_key import PublicKey
from groupnl_deploy.remote.ssh_socket import SshSocket, harmless, open_socket
from groupnl_deploy.remote.ssh_target import SshTarget

# Without a handler of its own, paramiko's log of a failed handshake would be printed on stderr.
logging.getLogger("paramiko").addHandler(logging.NullHandler())

CHANNEL_TIMEOUT_S = 15.0
"""How long the server may take to open a channel."""

_HANDSHAKE_TIMEOUT_S = 15.0
_AUTH_TIMEOUT_S = 15.0

Algorithms = tuple[str, ...]


class _Transport(paramiko.Transport):
    """Remembers the words with which the server hung up; paramiko tells them to its log alone."""

    farewell = ""

    def _parse_disconnect(self, m: paramiko.Message) -> None:
        m.get_int()
        self.farewell = harmless(m.get_binary())


def log_in(target: SshTarget) -> paramiko.Transport:
    """An authenticated connection. Raises `DeviceUnreachable`."""
    known = target.known_keys()
    with agent_keys(target) as agent:
        require_identity(target, agent)
        with _handshaken(target, partial(_preferred, target, known)) as transport:
            _verify(target, known, _host_key(transport))
            _authenticate(transport, target, agent)
            return transport


def offered_host_keys(target: SshTarget) -> tuple[PublicKey, ...]:
    """The host keys that the server has, one of each kind, the best first. Nothing is verified, no key of ours shown.

    A server shows one key a connection, so there is a connection for each kind. Raises `DeviceUnreachable`.
    """
    found, refusal = [], None
    for kind in ("ed25519", "ecdsa", "rsa"):
        try:
            with _handshaken(target, partial(_of_kind, kind)) as transport:
                found.append(_host_key(transport))
                transport.close()
        except DeviceUnreachable as error:
            if not isinstance(error.__cause__, IncompatiblePeer):
                raise
            refusal = error
    if refusal and not found:
        raise refusal
    return tuple(found)


@contextmanager
def _handshaken(target: SshTarget, choose: Callable[[Algorithms], Algorithms]) -> Iterator[_Transport]:
    """An encrypted connection to whoever answers there, closed where the block fails.

    `choose` picks and orders the algorithms of host keys that are asked for.
    """
    sock = open_socket(target)
    transport = _Transport(sock)  # type: ignore[arg-type]  # documented: anything that sends and receives
    transport.auth_timeout, transport.channel_timeout = _AUTH_TIMEOUT_S, CHANNEL_TIMEOUT_S
    options = transport.get_security_options()
    options.key_types = choose(tuple(options.key_types))
    # One pass encrypts and signs; with the others, the signature costs more than the cipher.
    options.ciphers = sorted(options.ciphers, key=lambda name: "gcm" not in name)
    try:
        try:
            transport.start_client(timeout=_HANDSHAKE_TIMEOUT_S)
            if not transport.initial_kex_done:
                raise TimeoutError
        except (paramiko.SSHException, EOFError, OSError) as error:
            raise _no_handshake(error, target, transport, sock) from error
        yield transport
    except BaseException:
        transport.close()
        sock.close()
        raise


def _no_handshake(
    error: Exception, target: SshTarget, transport: paramiko.Transport, sock: SshSocket
) -> DeviceUnreachable:
    if isinstance(error, IncompatiblePeer):
        return refusals.no_agreement(target, str(error))
    if transport.remote_version:
        return refusals.handshake_broken(target)
    if sock.first_words:
        return refusals.no_greeting(target, sock.first_words)
    if sock.hung_up:
        exit_code = sock.proxy_exit_code()
        return refusals.dropped(target) if exit_code is None else refusals.proxy_ended(target, exit_code)
    return refusals.silent_server(target)


def _preferred(target: SshTarget, known: KnownKeys, offered: Algorithms) -> Algorithms:
    """Those of keys that are known first, as OpenSSH asks for them: a server shows the first kind that it has."""
    allowed = target.config.value("hostkeyalgorithms").split(",")
    chosen = [algorithm for algorithm in offered if algorithm in allowed] or list(offered)
    return tuple(sorted(chosen, key=lambda algorithm: _key_type(algorithm) not in known.types))


def _of_kind(kind: str, offered: Algorithms) -> Algorithms:
    return tuple(algorithm for algorithm in offered if kind in algorithm)


def _key_type(algorithm: str) -> str:
    """An RSA key signs by several algorithms."""
    return "ssh-rsa" if algorithm.startswith("rsa-") else algorithm


def _host_key(transport: paramiko.Transport) -> PublicKey:
    return PublicKey.of(transport.get_remote_server_key().asbytes())


def _verify(target: SshTarget, known: KnownKeys, shown: PublicKey) -> None:
    verdict = known.verdict(shown)
    if verdict == "changed":
        raise refusals.changed_host_key(target, known.trusted, shown)
    if verdict == "revoked":
        raise refusals.revoked_host_key(target, shown)
    if verdict == "unknown":
        raise refusals.unknown_host_key(target, shown, certified=bool(known.authorities))


def _authenticate(transport: _Transport, target: SshTarget, agent: Sequence[AgentKey]) -> None:
    tried: list[str] = []
    locked: list[str] = []
    still_wanted: list[str] = []
    for candidate in candidates(target, agent):
        try:
            key = candidate.load()
        except KeyLocked:
            locked.append(candidate.label)
            continue
        except KeyUnusable:
            continue
        tried.append(candidate.label)
        wanted = _methods_left(transport, target, tried, partial(transport.auth_publickey, target.user, key))
        if wanted == []:
            return
        if wanted is not None:  # this key is good, and not enough
            still_wanted = wanted
            if "publickey" not in wanted:
                break
    if still_wanted:
        raise refusals.more_wanted(target, still_wanted)
    # Some servers let in without a key; any other says by what it would.
    if _methods_left(transport, target, tried, partial(transport.auth_none, target.user)) != []:
        raise refusals.keys_refused(target, tried, locked)


def _methods_left(
    transport: _Transport, target: SshTarget, tried: list[str], attempt: Callable[[], list[str]]
) -> list[str] | None:
    """What the server wants after an attempt that it accepts: nothing more, or another method; None: refused."""
    try:
        return attempt()
    except BadAuthenticationType as error:
        if "publickey" in error.allowed_types:
            return None
        raise refusals.no_keys_taken(target, error.allowed_types) from error
    except (paramiko.SSHException, EOFError, OSError) as error:
        if transport.is_active() and "timeout" not in str(error):
            return None
        # OpenSSH says so; Dropbear closes the connection without a word.
        if "Too many" in transport.farewell or (len(tried) > 1 and "EOF" in str(error) and not transport.farewell):
            raise refusals.too_many_keys(target, tried) from error
        raise refusals.keys_not_judged(target, tried, transport.farewell) from error
