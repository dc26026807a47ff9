"""The transport `ssh`: a connection that paramiko keeps, within this process.

Only this file, `ssh_login`, `keys` and `parsed_config` import paramiko.
"""

import paramiko

from groupnl_deploy.errors import DeviceUnreachable
from groupnl_deploy.remote import ssh_refusals as refusals
from groupnl_deploy.remote.ssh_login import CHANNEL_TIMEOUT_S, log_in
from groupnl_deploy.remote.ssh_target import SshTarget

_KEEPALIVE_S = 10  # gives TCP_USER_TIMEOUT something unacknowledged to count from while both ends are silent


class ParamikoLink:
    """The authenticated connection: opens channels and knows whether it is still alive. Connects on construction."""

    def __init__(self, target: SshTarget) -> None:
        self.target = target
        self._transport = log_in(target)
        self._transport.set_keepalive(_KEEPALIVE_S)

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
        self._transport.close()
