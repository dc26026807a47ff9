"""One conversation with the host over stdin and stdout: a line in, its answer out, until stdin ends.

A thread reads stdin. When it ends (the host left, or the SSH connection died) the process ends at once,
also in the middle of a benchmark: nobody is left to read the result, and a board must not be kept busy.
"""

import os
import platform
import queue
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import BinaryIO

from device_agent.errors import AgentError, BadRequest
from device_agent.lock import sole_benchmark
from device_agent.strict import StrictError
from device_agent.wire import (
    WIRE_VERSION,
    AgentFault,
    BenchRequest,
    Hello,
    ImagePayload,
    Message,
    Ping,
    Pong,
    Probe,
    Verified,
    Verify,
    decode,
    encode,
)

_UPDATE_BOTH = "Use one version of groupnl on both sides: push again."


class Session:
    """Reads requests, writes answers. `agent_sha256` is the digest of the bundle this code runs from."""

    def __init__(self, stdin: BinaryIO, stdout: BinaryIO, agent_sha256: str) -> None:
        self._lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._stdin, self._stdout, self._agent_sha256 = stdin, stdout, agent_sha256

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
        for line in self._stdin:
            self._lines.put(line)
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
        payloads = [self._next_image() for _ in range(request.images)]
        runner = _import_runner()
        manifest = runner.check_request(request)
        images = [runner.decode_image(payload, manifest) for payload in payloads]
        payloads.clear()
        with sole_benchmark(Path(sys.argv[0]).parent):
            result: Message = runner.run_bench(request, images, manifest, self._agent_sha256, self.send)
        return result

    def _ping(self, _: Ping) -> Message:
        return Pong(time.perf_counter_ns())

    def _probe(self, _: Probe) -> Message:
        from device_agent.probe import board_facts

        return board_facts()

    def _verify(self, request: Verify) -> Message:
        from device_agent.artifact import open_artifact

        manifest = open_artifact(Path(request.directory), request.manifest_sha256)
        return Verified(request.manifest_sha256, len(manifest.files))


def _import_runner() -> ModuleType:
    """The runner needs numpy, which pushing does not: import it late and name what is missing."""
    from device_agent.errors import MissingLibrary

    try:
        from device_agent import runner
    except ImportError as error:
        raise MissingLibrary(
            f"The device's Python cannot import “{error.name}” ({error}).",
            f"On the device, run: {sys.executable} -m pip install numpy",
        ) from error
    return runner


_HANDLERS: dict[type, Callable[..., Message]] = {
    Ping: Session._ping,
    Probe: Session._probe,
    Verify: Session._verify,
    BenchRequest: Session._bench,
}
