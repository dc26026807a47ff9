"""An SSH device: commands over exec channels.

Only this file, `ssh_login`, `keys` and `parsed_config` import paramiko.
"""

from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self

import paramiko

from groupnl_deploy.errors import DeviceUnreachable
from groupnl_deploy.remote import ssh_refusals as refusals
from groupnl_deploy.remote.device import Device
from groupnl_deploy.remote.ssh_login import CHANNEL_TIMEOUT_S, log_in
from groupnl_deploy.remote.ssh_process import SshProcess
from groupnl_deploy.remote.ssh_target import SshTarget, find
from groupnl_deploy.remote.transport import Completed, Process

_KEEPALIVE_S = 10  # gives TCP_USER_TIMEOUT something unacknowledged to count from while both ends are silent


class _Link:
    """The authenticated connection: opens channels and knows whether it is still alive."""

    def __init__(self, target: SshTarget) -> None:
        self.target = target
        self.transport = log_in(target)
        self.transport.set_keepalive(_KEEPALIVE_S)

    @property
    def alive(self) -> bool:
        return self.transport.is_active()

    def start(self, command: str) -> paramiko.Channel:
        """Run a command line of the remote shell in a channel of its own."""
        try:
            channel = self.transport.open_session(timeout=CHANNEL_TIMEOUT_S)
            channel.exec_command(command)
        except (paramiko.SSHException, EOFError, OSError) as error:
            raise self.failure() from error
        return channel

    def failure(self) -> DeviceUnreachable:
        return refusals.no_session(self.target) if self.alive else refusals.link_lost(self.target)

    def close(self) -> None:
        self.transport.close()


class SshTransport:
    """The verbs of `Transport` over SSH. Connects on construction."""

    def __init__(self, device: Device) -> None:
        self.name, self.python, self.root = device.name, device.python, device.root
        self._target = find(device)
        self._link = _Link(self._target)
        self._processes: list[SshProcess] = []

    def run(self, argv: Sequence[str], timeout_s: float = 30.0) -> Completed:
        """Run a command to its end, with nothing on its stdin."""
        process = SshProcess(self._link, argv, stderr_limit_bytes=None)
        try:
            return process.finish(timeout_s)
        except TimeoutError as error:
            raise refusals.command_timed_out(self._target, argv[0], timeout_s) from error
        finally:
            process.stop(grace_s=0)

    def spawn(self, argv: Sequence[str]) -> Process:
        """Start a command and talk to it."""
        process = SshProcess(self._link, argv)
        self._processes.append(process)
        return process

    def close(self) -> None:
        """Stop what was spawned, then disconnect."""
        while self._processes:
            self._processes.pop().stop()
        with suppress(Exception):
            self._link.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
