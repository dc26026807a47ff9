"""One conversation with the host over stdin and stdout: a line in, its answer out, until stdin ends.

A thread reads stdin. When it ends (the host left, or the SSH connection died) the process ends at once,
also in the middle of a benchmark: nobody is left to read the result, and a board must not be kept busy.
Only a commit that has begun is finished, and what an open push has sent so far is removed.
"""

import errno
import os
import platform
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import BinaryIO

from device_agent import ledger
from device_agent.errors import AgentError, BadRequest
from device_agent.lock import DeviceLock
from device_agent.packages import IN_ENVIRONMENT, install_remedy
from device_agent.push import Push, commit_push, discard_push, open_push
from device_agent.strict import StrictError
from device_agent.wire import (
    WIRE_VERSION,
    AgentFault,
    BenchRequest,
    CommitPush,
    Hello,
    ImagePayload,
    LedgerRead,
    LockTaken,
    Message,
    OpenPush,
    Ping,
    Pong,
    Probe,
    PushOpened,
    ReadLedger,
    TakeLock,
    decode,
    encode,
)

_UPDATE_BOTH = "Use one version of groupnl on both sides: push again."


class Session:
    """Reads requests, writes answers. `agent_sha256` is the digest of the bundle this code runs from."""

    def __init__(self, stdin: BinaryIO, stdout: BinaryIO, agent_sha256: str) -> None:
        self._lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._stdin, self._stdout, self._agent_sha256 = stdin, stdout, agent_sha256
        self._agent = Path(sys.argv[0]).absolute()
        self._root = self._agent.parent.parent
        self._lock = DeviceLock(self._agent.with_name("bench.lock"))
        self._push: Push | None = None
        self._finishing = threading.Lock()

    def serve(self) -> None:
        """Say hello, then answer for ever; the reading thread ends the process."""
        threading.Thread(target=self._read, daemon=True).start()
        self.send(Hello(WIRE_VERSION, self._agent_sha256, platform.python_version(), platform.machine()))
        while True:
            self.send(self._answer(self._lines.get()))

    def send(self, message: Message) -> None:
        """Write one line and flush it."""
        self._stdout.write(encode(message) + b"\n")
        self._stdout.flush()

    def _read(self) -> None:
        try:
            for line in self._stdin:
                self._lines.put(line)
        finally:  # also where the read fails, as on a socket that a killed server left unread
            with self._finishing:
                if self._push is not None:
                    discard_push(self._push)
                os._exit(0)

    def _answer(self, line: bytes) -> Message:
        try:
            return self._dispatch(decode(line))
        except StrictError as error:
            return AgentFault("bad_request", f"The agent did not understand: {error}.", _UPDATE_BOTH)
        except AgentError as error:
            return AgentFault(error.code, error.message, error.remedy)
        except MemoryError:
            return AgentFault("backend_failed", "The device ran out of memory.", "Use a smaller model.")
        except Exception as error:  # whatever it is, the host must hear of it
            if isinstance(error, OSError) and error.errno is not None:  # a library that does not load has none
                return _disk_fault(error)
            text = f"The agent failed: {type(error).__name__}: {error}."
            return AgentFault("internal", text, "Please report this with the command that led here.")

    def _dispatch(self, message: Message) -> Message:
        handler = _HANDLERS.get(type(message))
        if handler is None:
            raise BadRequest(f"{type(message).__name__} is no request.", _UPDATE_BOTH)
        return handler(self, message)

    def _next_image(self) -> ImagePayload:
        message = decode(self._lines.get())
        if not isinstance(message, ImagePayload):
            raise BadRequest(f"Expected an image, got {type(message).__name__}.", _UPDATE_BOTH)
        return message

    def _bench(self, request: BenchRequest) -> Message:
        # All images are taken from the line first: a refusal must not leave them to be read as requests.
        payloads = [self._next_image() for _ in range(request.images_sent)]
        runner = _import_runner(request.backend)
        manifest = runner.check_request(request)
        images = [runner.decode_image(payload, manifest) for payload in payloads]
        payloads.clear()
        with self._locked("a benchmark"):
            result: Message = runner.run_bench(request, images, manifest, self._agent_sha256, self.send)
        return result

    @contextmanager
    def _locked(self, purpose: str) -> Iterator[None]:
        """Under the lock that the host has taken, or else under one of our own, to be had at once or not at all."""
        if self._lock.held:
            yield
            return
        self._lock.take(purpose, wait_s=0)
        try:
            yield
        finally:
            self._lock.release()

    def _take_lock(self, request: TakeLock) -> Message:
        self._lock.take(request.purpose, request.wait_s, self.send)
        return LockTaken()

    def _open_push(self, request: OpenPush) -> Message:
        self._require_lock()
        with self._finishing:
            if self._push is not None:
                discard_push(self._push)
            self._push = open_push(self._root, self._agent, request)
        incoming = self._push.incoming
        return PushOpened(None if incoming is None else incoming.relative_to(self._root).as_posix())

    def _commit_push(self, request: CommitPush) -> Message:
        self._require_lock()
        if self._push is None:
            raise BadRequest("No push is open.", _UPDATE_BOTH)
        with self._finishing:
            push, self._push = self._push, None
            return commit_push(self._root, self._agent, self._agent_sha256, push, request)

    def _require_lock(self) -> None:
        if not self._lock.held:
            raise BadRequest("The device's lock was not taken before a push.", _UPDATE_BOTH)

    def _read_ledger(self, request: ReadLedger) -> Message:
        return LedgerRead(*ledger.deployments(self._root, request.device, self._agent_sha256))

    def _ping(self, _: Ping) -> Message:
        return Pong(time.perf_counter_ns())

    def _probe(self, _: Probe) -> Message:
        from device_agent.probe import board_facts

        return board_facts()


def _disk_fault(error: OSError) -> AgentFault:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return AgentFault("disk_full", f"The disk there is full ({error}).", "Free some space there, then try again.")
    remedy = "See to that file or folder there, then try again."
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        remedy = "Check there who owns that file or folder and whether its disk is read-only."
    elif error.errno == errno.EXDEV:
        remedy = "Link the whole folder there to the other disk, not one of those in it."
    return AgentFault("storage", f"The disk there refused: {error}.", remedy)


def _import_runner(backend: str) -> ModuleType:
    """The runner needs numpy, which pushing does not: import it late and name what is missing."""
    from device_agent.errors import MissingLibrary

    try:
        from device_agent import runner
    except ImportError as error:
        raise MissingLibrary(
            f"The device's Python cannot import “{error.name}” ({error}).",
            install_remedy(sys.executable, backend, IN_ENVIRONMENT),
        ) from error
    return runner


_HANDLERS: dict[type, Callable[..., Message]] = {
    Ping: Session._ping,
    Probe: Session._probe,
    TakeLock: Session._take_lock,
    OpenPush: Session._open_push,
    CommitPush: Session._commit_push,
    ReadLedger: Session._read_ledger,
    BenchRequest: Session._bench,
}
