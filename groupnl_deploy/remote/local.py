"""The device `local`: this machine through the same verbs as a board, with subprocesses and plain files."""

import errno
import hashlib
import os
import select
import shutil
import signal
import stat
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from device_agent.durable import flush
from groupnl_deploy.errors import DeviceFault, DeviceUnavailable, DeviceUnreachable, DiskFull, GroupNLError
from groupnl_deploy.remote.transfer import (
    PIECE_BYTES,
    Outgoing,
    Part,
    TellBytes,
    incoming,
    outgoing,
    require_offset,
    require_same_beginning,
)
from groupnl_deploy.remote.transport import (
    SEND_TIMEOUT_S,
    STDERR_TAIL_BYTES,
    STOP_GRACE_S,
    Completed,
    LineBuffer,
    Process,
    below_root,
    part_name,
    require_small,
    size_text,
)

_CHUNK_BYTES = 1 << 20
_REAP_TIMEOUT_S = 5.0


class LocalProcess:
    """A child of ours that speaks lines. A thread reads each of its outputs, so it can never block on us."""

    def __init__(self, child: "subprocess.Popen[bytes]", what: str) -> None:
        self._child, self._what = child, what
        self._news = threading.Condition()
        self._lines, self._ended, self._stopped = LineBuffer(), False, False
        self._stderr = bytearray()
        assert child.stdin and child.stdout and child.stderr
        self._stdin = child.stdin
        os.set_blocking(self._stdin.fileno(), False)
        self._readers = [
            threading.Thread(target=self._drain, args=(child.stdout, self._keep_stdout), daemon=True),
            threading.Thread(target=self._drain, args=(child.stderr, self._keep_stderr), daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def send_line(self, line: bytes) -> None:
        """Write one line; a child that is gone or does not read is `DeviceUnreachable`."""
        left, deadline = memoryview(line + b"\n"), time.monotonic() + SEND_TIMEOUT_S
        while left:
            self._await_room(deadline)
            try:
                left = left[os.write(self._stdin.fileno(), left) :]
            except BlockingIOError:
                continue
            except OSError as error:
                raise self._gone("has ended and takes no more requests") from error

    def read_line(self, timeout_s: float) -> bytes | None:
        """The next line, or None when the child has closed its output."""
        deadline = time.monotonic() + timeout_s
        with self._news:
            while (line := self._lines.next_line()) is None:
                if self._ended or self._stopped:
                    return None
                if not self._news.wait(max(0.0, deadline - time.monotonic())) and time.monotonic() >= deadline:
                    raise self._silent(f"sent nothing for {timeout_s:g} s")
            return line

    def stderr_tail(self) -> str:
        """What it last wrote to stderr."""
        if self._child.poll() is not None:
            self._readers[1].join(0.5)
        return bytes(self._stderr).decode(errors="replace")

    def exit_code(self, timeout_s: float) -> int | None:
        """Its exit code, or None while it runs."""
        try:
            return _exit_code(self._child.wait(timeout_s))
        except subprocess.TimeoutExpired:
            return None

    def stop(self) -> None:
        """Close stdin, wait, then kill the whole group."""
        with suppress(OSError):
            self._stdin.close()
        if self.exit_code(STOP_GRACE_S) is None:
            _kill_group(self._child)
        with self._news:
            self._stopped = True
            self._news.notify_all()
        for reader in self._readers:
            reader.join(0.5)

    def _await_room(self, deadline: float) -> None:
        poller = select.poll()
        try:
            poller.register(self._stdin.fileno(), select.POLLOUT)
        except ValueError as error:
            raise self._gone("was stopped and takes no more requests") from error
        if not poller.poll(max(0.0, deadline - time.monotonic()) * 1000):
            raise self._silent(f"did not read its request within {SEND_TIMEOUT_S:g} s")

    def _drain(self, stream: IO[bytes], keep: Callable[[bytes], None]) -> None:
        with stream:
            while chunk := os.read(stream.fileno(), _CHUNK_BYTES):
                keep(chunk)
        keep(b"")

    def _keep_stdout(self, chunk: bytes) -> None:
        with self._news:
            self._lines.feed(chunk)
            self._ended = not chunk
            self._news.notify_all()

    def _keep_stderr(self, chunk: bytes) -> None:
        self._stderr += chunk
        del self._stderr[:-STDERR_TAIL_BYTES]

    def _silent(self, what: str) -> DeviceUnavailable:
        return DeviceUnavailable(
            f"The process `{self._what}` on the device “local” {what}.",
            "Find out what keeps this machine busy, then try again.",
        )

    def _gone(self, what: str) -> DeviceUnreachable:
        return DeviceUnreachable(
            f"The process `{self._what}` on the device “local” {what}.",
            "Look at what it wrote to stderr, then try again.",
        )


class LocalTransport:
    """The verbs of `Transport` on this machine, below `root`."""

    def __init__(self, root: Path, python: str, name: str = "local") -> None:
        self.name, self.python = name, python
        self._root = root.absolute()
        self._processes: list[LocalProcess] = []
        try:
            self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise _refusal(f"make the folder {self._root}", error) from error

    def path(self, relative: str) -> str:
        """Absolute path of a path below the root."""
        return str(self._root / below_root(relative))

    def run(self, argv: Sequence[str], timeout_s: float = 30.0) -> Completed:
        """Run a command to its end, with nothing on its stdin."""
        child = self._start(argv, subprocess.DEVNULL)
        try:
            stdout, stderr = child.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired as error:
            raise DeviceUnavailable(
                f"`{argv[0]}` on the device “{self.name}” did not finish within {timeout_s:g} s and was killed.",
                "Find out what keeps this machine busy, then try again.",
            ) from error
        finally:
            if child.poll() is None:  # a time-out, or the user's Ctrl-C
                _kill_group(child)
                _close_pipes(child)
        return Completed(_exit_code(child.returncode), stdout, stderr.decode(errors="replace"))

    def spawn(self, argv: Sequence[str]) -> Process:
        """Start a command and talk to it in lines."""
        process = LocalProcess(self._start(argv, subprocess.PIPE), argv[0])
        self._processes.append(process)
        return process

    def put(self, source: Path | bytes, relative: str, tell: TellBytes | None = None, part: Part | None = None) -> str:
        """Write a whole file under a temporary name, flush it, rename it over."""
        final, place = Path(self.path(relative)), part or Part(part_name(relative))
        written = Path(self.path(place.relative))
        with outgoing(source, place.offset_bytes, tell) as file:
            needed_bytes = file.left_bytes
            try:
                self._make_folders(written.parent)
                self._make_folders(final.parent)
                _write(written, file, place, self.name)
                written.replace(final)
                flush(final.parent)
            except BaseException as error:
                if part is None:
                    _discard(written)
                else:
                    needed_bytes = file.left_bytes
                if isinstance(error, OSError):
                    raise _refusal(f"write {final}", error, needed_bytes, self._root) from error
                raise
            return file.sha256

    def get(self, relative: str, target: Path, tell: TellBytes | None = None) -> str | None:
        """Copy a file of the device to `target`."""
        if self.size_bytes(relative) is None:
            return None
        with incoming(target, tell) as copy, self._open(relative) as stream:
            while piece := stream.read(PIECE_BYTES):
                copy.write(piece)
        return copy.sha256

    def read(self, relative: str) -> bytes | None:
        """A small file's bytes, or None."""
        size_bytes = self.size_bytes(relative)
        if size_bytes is None:
            return None
        require_small(relative, size_bytes, self.name)
        with self._open(relative) as stream:
            return stream.read()

    def size_bytes(self, relative: str) -> int | None:
        """A file's size, or None."""
        file = Path(self.path(relative))
        try:
            facts = file.stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise _refusal(f"read {file}", error) from error
        return facts.st_size if stat.S_ISREG(facts.st_mode) else None

    def close(self) -> None:
        """Stop what was spawned."""
        while self._processes:
            self._processes.pop().stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _make_folders(self, folder: Path) -> None:
        # Path.mkdir gives `mode` to the last folder only; the root that bars others out is above it.
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(parents=True, exist_ok=True)

    @contextmanager
    def _open(self, relative: str) -> Iterator[IO[bytes]]:
        file = Path(self.path(relative))
        try:
            with file.open("rb") as stream:
                yield stream
        except OSError as error:
            raise _refusal(f"read {file}", error) from error

    def _start(self, argv: Sequence[str], stdin: int) -> "subprocess.Popen[bytes]":
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            return _popen(list(argv), stdin, self._root)
        except FileNotFoundError:
            return _popen(_shell_refusal(f"{argv[0]}: not found", 127), stdin, self._root)
        except OSError as error:
            return _popen(_shell_refusal(f"{argv[0]}: {error.strerror}", 126), stdin, self._root)


def _popen(argv: list[str], stdin: int, folder: Path) -> "subprocess.Popen[bytes]":
    """Unbuffered pipes; a session of its own, so that the terminal's Ctrl-C reaches us alone."""
    return subprocess.Popen(
        argv,
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=folder,
        env=_environment(),
        start_new_session=True,
        bufsize=0,
    )


def _environment() -> dict[str, str]:
    """Ours without what tunes our own threads: a board's agent gets no such settings from the host either."""
    tuned = ("OMP_", "GOMP_", "KMP_", "MKL_", "OPENBLAS_")
    return {name: value for name, value in os.environ.items() if not name.startswith(tuned)}


def _shell_refusal(message: str, exit_code: int) -> list[str]:
    """A command that ends as a shell would for a program it cannot start: the form SSH devices give."""
    return ["/bin/sh", "-c", 'printf "%s\\n" "$1" >&2; exit "$2"', "sh", message, str(exit_code)]


def _exit_code(returncode: int) -> int:
    return returncode if returncode >= 0 else 128 - returncode


def _kill_group(child: "subprocess.Popen[bytes]") -> None:
    """Kill the child and whatever it started, and reap it."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    with suppress(subprocess.TimeoutExpired):
        child.wait(_REAP_TIMEOUT_S)


def _close_pipes(child: "subprocess.Popen[bytes]") -> None:
    for stream in (child.stdin, child.stdout, child.stderr):
        if stream:
            stream.close()


def _write(path: Path, file: Outgoing, part: Part, device: str) -> None:
    with path.open("r+b" if part.offset_bytes else "wb") as stream:
        if part.offset_bytes:
            require_offset(path.stat().st_size, part.offset_bytes)
            require_same_beginning(file, _beginning_sha256(stream, part.offset_bytes), part, device)
        stream.truncate(part.offset_bytes)
        stream.seek(part.offset_bytes)
        for piece in file.pieces():
            stream.write(piece)
        stream.flush()
        os.fsync(stream.fileno())


def _beginning_sha256(stream: IO[bytes], size_bytes: int) -> str:
    digest, left_bytes = hashlib.sha256(), size_bytes
    while left_bytes and (piece := stream.read(min(PIECE_BYTES, left_bytes))):
        digest.update(piece)
        left_bytes -= len(piece)
    return digest.hexdigest()


def _discard(part: Path) -> None:
    with suppress(OSError):  # why it could not be written is the error to tell
        part.unlink()


def _refusal(doing: str, error: OSError, size_bytes: int = 0, folder: Path | None = None) -> GroupNLError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        free = shutil.disk_usage(folder).free if folder else 0
        return DiskFull(
            f"The disk of the device “local” is full: could not {doing}; "
            f"{size_text(size_bytes)} are needed, {size_text(free)} are free.",
            "Free some space on this machine, then try again.",
        )
    return DeviceFault(
        f"Could not {doing} on the device “local”: {error.strerror or error}.",
        "Make sure that the folder is yours and on a disk that can be written to, then try again."
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS)
        else "See to that file or folder, then try again.",
    )
