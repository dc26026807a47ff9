"""An SSH device: commands over a link, whichever client keeps that. Imports no SSH library."""

from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self

from groupnl_deploy.remote import ssh_refusals as refusals
from groupnl_deploy.remote.device import Device
from groupnl_deploy.remote.ssh_process import Link, SshProcess
from groupnl_deploy.remote.transport import Completed, Process


class SshTransport:
    """The verbs of `Transport` over a link that stands, which is closed with it."""

    def __init__(self, device: Device, link: Link) -> None:
        self.name, self.python, self.root = device.name, device.python, device.root
        self._link = link
        self._processes: list[SshProcess] = []

    def run(self, argv: Sequence[str], timeout_s: float = 30.0) -> Completed:
        """Run a command to its end, with nothing on its stdin."""
        process = SshProcess(self._link, argv, stderr_limit_bytes=None)
        try:
            return process.finish(timeout_s)
        except TimeoutError as error:
            raise refusals.command_timed_out(self._link.target, argv[0], timeout_s) from error
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
