"""The transport `openssh`: one connection of the system's own client, which all commands share.

It does whatever `ssh` does: certificate authorities, security keys, smart cards, Kerberos.
"""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress

from groupnl_deploy.errors import DeviceUnreachable, UsageError
from groupnl_deploy.remote import ssh_refusals as refusals
from groupnl_deploy.remote.client_channel import ClientChannel
from groupnl_deploy.remote.client_refusals import why_not_connected
from groupnl_deploy.remote.openssh_config import device_options
from groupnl_deploy.remote.ssh_target import SshTarget
from power.temporary import LockedFolder

_CONNECT_TIMEOUT_S = 8
_LOG_IN_TIMEOUT_S = 45.0
_LOOK_EVERY_S = 0.01
_ALIVE_EVERY_S, _ALIVE_MISSED = 5, 2  # it gives up when it would ask once more: behind three times so long
_DEATH_S = 1.0  # by how much the end of a command's client may precede that of the connection's
_LEAVE_S = 2.0
_LONGEST_FOLDER = 56  # a socket's name has 104 letters at most, of which the client takes some for itself

# Runs the client and, when our end of its stdin closes, ends it: also where this process is killed.
_GUARD = (
    'exec 3<&0; "$@" </dev/null 3<&- & client=$!; { cat <&3 >/dev/null; kill $client; } 2>/dev/null & guard=$!; '
    "exec 3<&-; wait $client; code=$?; kill $guard; exit $code"
)


class ClientLink:
    """The connection: a client of its own keeps it, and each command has one that uses it. Connects on construction."""

    def __init__(self, target: SshTarget) -> None:
        self.target, self._client = target, require_client()
        if target.identity and not target.identity.exists():
            raise refusals.no_identity(target, "does not exist")
        self._folder = _private_folder()
        self._socket, self._log = self._folder.path / "link", self._folder.path / "log"
        try:
            with self._log.open("wb") as log:
                self._master = subprocess.Popen(
                    ["/bin/sh", "-c", _GUARD, "sh", self._client, *self._master_options()],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL,
                    stderr=log,
                    start_new_session=True,
                )
            self._await_socket()
        except BaseException:
            self.close()
            raise

    @property
    def alive(self) -> bool:
        """Whether the connection still stands."""
        return self._master.poll() is None

    def start(self, command: str) -> ClientChannel:
        """Run a command line of the remote shell in a channel of its own."""
        child = subprocess.Popen(
            self.client_command(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            bufsize=0,
        )
        return ClientChannel(child, lambda: self._ends_within(_DEATH_S))

    def client_command(self, command: str) -> list[str]:
        """The words of a client that runs a command line of the remote shell over this connection.

        Raises `DeviceUnavailable` where it no longer stands.
        """
        if not self.alive:
            raise self.failure()
        # A client that the connection gives no session would connect anew by itself: by this proxy it gets nowhere.
        options = ["-S", str(self._socket), "-o", "ControlMaster=no", "-o", "ProxyCommand=false", "-o", "BatchMode=yes"]
        return [self._client, *options, "-T", *self._where(), command]

    def failure(self) -> DeviceUnreachable:
        """Why no channel could be opened."""
        return refusals.no_session(self.target) if self.alive else refusals.link_lost(self.target)

    def close(self) -> None:
        """Disconnect."""
        master = getattr(self, "_master", None)
        if master is not None:
            with suppress(OSError):
                master.stdin.close()
            if not self._ends_within(_LEAVE_S):
                master.kill()
                master.wait()
        self._folder.close()

    def _master_options(self) -> Iterator[str]:
        yield from ("-N", "-T", "-M", "-S", str(self._socket))
        for option in (
            "ControlPersist=no",
            "BatchMode=yes",
            "StrictHostKeyChecking=yes",
            "UpdateHostKeys=no",
            "ForwardAgent=no",
            "ForwardX11=no",
            "ClearAllForwardings=yes",
            "PermitLocalCommand=no",
            "RemoteCommand=none",
            "LogLevel=VERBOSE",  # tells a second factor from a refused key
            f"ConnectTimeout={_CONNECT_TIMEOUT_S}",
            f"ServerAliveInterval={_ALIVE_EVERY_S}",
            f"ServerAliveCountMax={_ALIVE_MISSED}",
            *self._pinning(),
        ):
            yield from ("-o", option)
        yield from self._where()

    def _where(self) -> Sequence[str]:
        return [*device_options(self.target.user, self.target.port, self.target.identity), "--", self.target.alias]

    def _pinning(self) -> Sequence[str]:
        """A pinned key is the one that is known, whatever the user's files say."""
        pinned = self.target.pinned
        if pinned is None:
            return ()
        known = self._folder.path / "known_hosts"
        known.write_text(f"pinned {pinned}\n")
        algorithms = "rsa-sha2-512,rsa-sha2-256" if pinned.type == "ssh-rsa" else pinned.type
        return (
            f'UserKnownHostsFile="{known}"',
            "GlobalKnownHostsFile=/dev/null",
            "HostKeyAlias=pinned",
            f"HostKeyAlgorithms={algorithms}",
            "CheckHostIP=no",
        )

    def _await_socket(self) -> None:
        deadline = time.monotonic() + _LOG_IN_TIMEOUT_S
        while not self._socket.exists():
            if not self.alive:
                raise why_not_connected(self.target, self._log.read_bytes())
            if time.monotonic() > deadline:
                raise refusals.silent_server(self.target)
            time.sleep(_LOOK_EVERY_S)

    def _ends_within(self, timeout_s: float) -> bool:
        with suppress(subprocess.TimeoutExpired):
            self._master.wait(timeout_s)
        return not self.alive


def require_client() -> str:
    """Where OpenSSH's client lies. Raises `UsageError` where there is none."""
    client = shutil.which("ssh")
    if client is None:
        raise UsageError(
            "There is no OpenSSH client on this machine (no `ssh` in its PATH).",
            "Install it: `sudo apt install openssh-client` on Debian and Ubuntu, `sudo dnf install openssh-clients` on "
            "Fedora.",
        )
    return client


def _private_folder() -> LockedFolder:
    """For the socket by which commands find the connection; nobody else can look into it."""
    usual = tempfile.gettempdir()
    return LockedFolder("groupnl-ssh-", usual if len(usual) < _LONGEST_FOLDER else "/tmp")
