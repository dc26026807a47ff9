"""The transport `ssh`: a connection that paramiko keeps, within this process.

Only this file, `ssh_login`, `keys` and `parsed_config` import paramiko.
"""

import threading
from contextlib import suppress

import paramiko

from groupnl_deploy.errors import DeviceUnreachable
from groupnl_deploy.remote import ssh_refusals as refusals
from groupnl_deploy.remote.ssh_login import CHANNEL_TIMEOUT_S, log_in
from groupnl_deploy.remote.ssh_socket import SshSocket
from groupnl_deploy.remote.ssh_target import SshTarget
from groupnl_deploy.remote.transport import SILENCE_S

_ASK_EVERY_S = 5.0  # whether the device is there: one packet each way, also while it measures


class ParamikoLink:
    """The authenticated connection: opens channels and knows whether it is still alive. Connects on construction."""

    def __init__(self, target: SshTarget) -> None:
        self.target = target
        self._transport, self._closed = log_in(target), threading.Event()
        assert isinstance(self._transport.sock, SshSocket)
        self._transport.sock.expect_news(SILENCE_S)
        threading.Thread(target=self._ask_for_news, daemon=True).start()

    @property
    def alive(self) -> bool:
        """Whether the connection still stands."""
        return self._transport.is_active()

    def start(self, command: str) -> paramiko.Channel:
        """Run a command line of the remote shell in a channel of its own."""
        try:
            channel = self._transport.open_session(timeout=CHANNEL_TIMEOUT_S)
            channel.exec_command(command)
        except (paramiko.SSHException, EOFError, OSError) as error:
            raise self.failure() from error
        return channel

    def failure(self) -> DeviceUnreachable:
        """Why no channel could be opened."""
        return refusals.no_session(self.target) if self.alive else refusals.link_lost(self.target)

    def close(self) -> None:
        """Disconnect."""
        self._closed.set()
        self._transport.close()

    def _ask_for_news(self) -> None:
        """No more than one question is open. Where none is answered any more, the socket notices (`expect_news`)."""
        while self.alive and not self._closed.wait(_ASK_EVERY_S):
            with suppress(Exception):  # whatever a link that breaks just now raises
                self._transport.global_request("keepalive@openssh.com", wait=True)
