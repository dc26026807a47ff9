"""An SSH device: commands over exec channels, files over SFTP.

Only this file, `ssh_login`, `keys`, `parsed_config` and `ssh_read` import paramiko.
"""

import io
import posixpath
import re
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import paramiko
from paramiko.sftp import CMD_EXTENDED

from groupnl_deploy.errors import DeviceFault, DeviceUnreachable
from groupnl_deploy.remote import ssh_refusals as refusals
from groupnl_deploy.remote.device import Device
from groupnl_deploy.remote.python import MARK, ask_python
from groupnl_deploy.remote.ssh_login import CHANNEL_TIMEOUT_S, log_in
from groupnl_deploy.remote.ssh_process import SshProcess
from groupnl_deploy.remote.ssh_read import read_ahead
from groupnl_deploy.remote.ssh_target import SshTarget, find
from groupnl_deploy.remote.transfer import (
    Incoming,
    Outgoing,
    Part,
    TellBytes,
    incoming,
    outgoing,
    require_offset,
    require_same_beginning,
)
from groupnl_deploy.remote.transport import Completed, Process, below_root, part_name, require_small

_SFTP_TIMEOUT_S = 60.0  # an SD card may take long to flush a large file
_KEEPALIVE_S = 10  # gives TCP_USER_TIMEOUT something unacknowledged to count from while both ends are silent
_DISK_MARGIN_BYTES = 1 << 16
# Prints the SHA-256 of the first so many bytes of a file.
_BEGINNING = f"""
import hashlib, sys
digest, left = hashlib.sha256(), int(sys.argv[2])
with open(sys.argv[1], "rb") as stream:
    while piece := stream.read(min(left, 1 << 18)):
        digest.update(piece)
        left -= len(piece)
print('{MARK}', digest.hexdigest())
"""


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
        self.name, self.python = device.name, device.python
        self._target = find(device)
        self._link = _Link(self._target)
        self._sftp: paramiko.SFTPClient | None = None
        self._processes: list[SshProcess] = []
        try:
            with self._files(f"make the folder {device.root}") as sftp:
                self._root = _absolute(sftp, device.root)
                _make_folders(sftp, self._root)
        except BaseException:
            self._link.close()
            raise

    def path(self, relative: str) -> str:
        """Absolute path on the device of a path below the root."""
        return posixpath.join(self._root, below_root(relative))

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
        """Start a command and talk to it in lines."""
        process = SshProcess(self._link, argv)
        self._processes.append(process)
        return process

    def put(self, source: Path | bytes, relative: str, tell: TellBytes | None = None, part: Part | None = None) -> str:
        """Upload under a temporary name, flush, rename over."""
        final, place = self.path(relative), part or Part(part_name(relative))
        written = self.path(place.relative)
        with outgoing(source, place.offset_bytes, tell) as file:
            needed_bytes = file.left_bytes
            try:
                with self._files(f"write {final}") as sftp:
                    _make_folders(sftp, posixpath.dirname(written))
                    _make_folders(sftp, posixpath.dirname(final))
                    if place.offset_bytes:
                        require_offset(sftp.stat(written).st_size or 0, place.offset_bytes)
                        require_same_beginning(file, self._beginning_sha256(place), place, self.name)
                    _upload(sftp, file, written)
                    sftp.posix_rename(written, final)
            except BaseException as error:
                if part is None:
                    self._discard(written)
                else:
                    needed_bytes = file.left_bytes
                if isinstance(error, DeviceFault):
                    self._raise_if_full(needed_bytes)
                raise
            return file.sha256

    def get(self, relative: str, target: Path, tell: TellBytes | None = None) -> str | None:
        """Download a file to `target`."""
        size_bytes = self.size_bytes(relative)
        if size_bytes is None:
            return None
        with incoming(target, tell) as copy:
            self._download(relative, copy, size_bytes)
        return copy.sha256

    def read(self, relative: str) -> bytes | None:
        """A small file's bytes, or None."""
        size_bytes = self.size_bytes(relative)
        if size_bytes is None:
            return None
        require_small(relative, size_bytes, str(self._target))
        content = io.BytesIO()
        self._download(relative, content, size_bytes)
        return content.getvalue()

    def size_bytes(self, relative: str) -> int | None:
        """A file's size, or None."""
        file = self.path(relative)
        with self._files(f"read {file}") as sftp:
            try:
                facts = sftp.stat(file)
            except FileNotFoundError:
                return None
        return facts.st_size if stat.S_ISREG(facts.st_mode or 0) else None

    def close(self) -> None:
        """Stop what was spawned, then disconnect."""
        while self._processes:
            self._processes.pop().stop()
        self._drop_sftp()
        with suppress(Exception):
            self._link.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def _files(self, doing: str) -> Iterator[paramiko.SFTPClient]:
        """The SFTP session; its failures become ours: a dead link, or a device that says no."""
        sftp = self._sftp = self._sftp or _open_sftp(self._link)
        try:
            yield sftp
        except (EOFError, TimeoutError, ConnectionError, paramiko.SSHException, paramiko.SFTPError) as error:
            self._drop_sftp()
            raise refusals.link_lost(self._target) from error
        except OSError as error:
            if not self._link.alive or _channel(sftp).closed:
                raise refusals.link_lost(self._target) from error
            raise refusals.file_refused(self._target, doing, error.strerror or str(error)) from error
        except BaseException:  # of ours, in the middle of a transfer: the session may hold half a request
            self._drop_sftp()
            raise

    def _download(self, relative: str, sink: Incoming | io.BytesIO, size_bytes: int) -> None:
        file = self.path(relative)
        with self._files(f"read {file}") as sftp:
            for piece in read_ahead(sftp, file, size_bytes):
                sink.write(piece)

    def _beginning_sha256(self, part: Part) -> str:
        """Of what is kept of a part, computed there: to read it back would take as long as to send it again."""
        (sha256,) = ask_python(self, _BEGINNING, self.path(part.relative), str(part.offset_bytes))
        return sha256

    def _discard(self, part: str) -> None:
        """Remove a part, in a new session: the old one may hold half a request."""
        self._drop_sftp()
        if self._link.alive:
            with suppress(Exception), self._files(f"remove {part}") as sftp:
                sftp.remove(part)

    def _raise_if_full(self, needed_bytes: int) -> None:
        """SFTP says no more than “Failure” when the disk is full; ask the device itself."""
        report = self.run(["df", "-Pk", self._root])
        found = re.search(rb"\s(\d+)\s+\d+%\s", report.stdout)
        if found and (free_bytes := int(found[1]) * 1024) < needed_bytes + _DISK_MARGIN_BYTES:
            raise refusals.disk_full(self._target, needed_bytes, free_bytes, self._root)

    def _drop_sftp(self) -> None:
        sftp, self._sftp = self._sftp, None
        if sftp:
            with suppress(Exception):
                sftp.close()


def _open_sftp(link: _Link) -> paramiko.SFTPClient:
    try:
        sftp = link.transport.open_sftp_client()
        if sftp is None:
            raise EOFError
        _channel(sftp).settimeout(_SFTP_TIMEOUT_S)
    except paramiko.ChannelException as error:
        raise link.failure() from error
    except (paramiko.SSHException, paramiko.SFTPError, EOFError, OSError) as error:
        if link.alive:
            raise refusals.no_sftp(link.target) from error
        raise refusals.link_lost(link.target) from error
    return sftp


def _channel(sftp: paramiko.SFTPClient) -> paramiko.Channel:
    channel = sftp.get_channel()
    assert channel
    return channel


def _absolute(sftp: paramiko.SFTPClient, root: str) -> str:
    """The root from `/`; a relative one starts in the user's home, where the SFTP server starts too."""
    return posixpath.normpath(posixpath.join(sftp.normalize("."), root.removeprefix("~/")))


def _make_folders(sftp: paramiko.SFTPClient, folder: str) -> None:
    missing = []
    while not _exists(sftp, folder):
        missing.append(folder)
        folder = posixpath.dirname(folder)
    for folder in reversed(missing):
        try:
            sftp.mkdir(folder, 0o700)
        except OSError:
            if not _exists(sftp, folder):  # else another push made it meanwhile
                raise


def _exists(sftp: paramiko.SFTPClient, path: str) -> bool:
    try:
        sftp.stat(path)
    except FileNotFoundError:
        return False
    return True


def _upload(sftp: paramiko.SFTPClient, file: Outgoing, part: str) -> None:
    """Write without waiting for each answer (tuning paramiko's windows only made it slower), then flush."""
    offset_bytes, last = file.across_bytes, b""
    with sftp.open(part, "r+b" if offset_bytes else "wb") as stream:
        if offset_bytes:
            stream.truncate(offset_bytes)
            stream.seek(offset_bytes)
        stream.set_pipelined(True)
        for piece in file.pieces():
            stream.write(piece)
            last = piece[-1:]
        # A write that does not run ahead waits for the answers to all before it, and raises the first refusal among
        # them. Closing the file would lose these.
        stream.set_pipelined(False)
        stream.seek(file.across_bytes - len(last))
        stream.write(last)
        _flush(sftp, stream)


def _flush(sftp: paramiko.SFTPClient, stream: paramiko.SFTPFile) -> None:
    """OpenSSH's extension, which paramiko has no public call for: a board loses power without warning."""
    try:
        sftp._request(CMD_EXTENDED, "fsync@openssh.com", stream.handle)  # type: ignore[attr-defined]
    except OSError as error:
        if "unsupported" not in str(error).lower():
            raise
