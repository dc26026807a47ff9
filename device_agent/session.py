"""One conversation with the host over stdin and stdout: a request in, its answer out, until stdin ends.

A thread reads stdin (`inbox.py`). When it ends (the host left, or the SSH connection died), or has long been silent
(the link was cut: `silence.py`), the process ends at once.
Only a commit that has begun is finished, what has arrived of a file is written, and a benchmark that has begun goes on
(`detached.py`), unless the host has sent an `Abort`: that ends everything.
"""

import functools
import io
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeVar

from device_agent import disk, ledger
from device_agent.errors import UPDATE_BOTH, AgentError, BadRequest
from device_agent.heartbeat import Heartbeat
from device_agent.inbox import Inbox
from device_agent.lock import DeviceLock
from device_agent.machine import this_machine
from device_agent.manifest import MANIFEST_FILE, NativeOperators
from device_agent.messages.alive import Abort, Alive
from device_agent.messages.greeting import AgentFault, Hello
from device_agent.push import Pushing
from device_agent.silence import GONE_EXIT, Listened, watch
from device_agent.strict import StrictError
from device_agent.sweep import sweep
from device_agent.wire import WIRE_VERSION, Message, Request, decode, encode

if TYPE_CHECKING:
    from device_agent.accepting import Accepting
    from device_agent.answering import Answering
    from device_agent.benches import Benches
    from device_agent.detached import DetachableBench
    from device_agent.doctor import Doctor
    from device_agent.messages.artifacts import Pruned
    from device_agent.messages.bench import BenchDone, BenchRequest
    from device_agent.messages.board import BoardFacts
    from device_agent.messages.ledger import Standing
    from device_agent.messages.native import NativeFit
    from device_agent.provisioning import Provisioning

M = TypeVar("M", bound=Message)

_LARGEST_MANIFEST_BYTES = 16_000_000


class Session:
    """Reads requests and writes answers. Each request's `answer` is given the session, and finds here what it needs.

    `agent_sha256` is the digest of the bundle this code runs from, `root` the folder that holds all that is ours.
    What not every conversation needs is imported where it is: a push waits for the agent's start.
    """

    def __init__(self, stdin: Listened, stdout: BinaryIO, agent_sha256: str) -> None:
        self._stdin = stdin
        self.inbox = Inbox(io.BufferedReader(stdin), self._link_lost, {encode(Abort()) + b"\n": self._leave})
        self._stdout, self.agent_sha256 = stdout, agent_sha256
        self._bundle = bundle = Path(sys.argv[0]).absolute()
        self.root = bundle.parent.parent
        self.lock = DeviceLock(bundle.with_name("bench.lock"))
        self.pushing = Pushing(self.root, bundle, agent_sha256, self.lock)
        self._bench: DetachableBench | None = None
        self._writing = threading.Lock()
        self._heart = Heartbeat(lambda: self.send(Alive()))

    def serve(self, first: Sequence[bytes] = ()) -> None:
        """Say hello, then answer for ever, these lines first; the reading thread ends the process."""
        self.inbox.start(first)
        watch(self._stdin, self._host_gone, unless=lambda: self._bench is not None)
        machine = this_machine()
        python = sys.version.split()[0]
        self.send(Hello(WIRE_VERSION, self.agent_sha256, python, machine, str(self.root)))
        self._heart.start()
        while True:
            answer = self._answer()
            if self._bench is not None and not self._bench.over:
                self._bench.finish(answer)
            else:
                self.send(answer)
            if self.inbox.is_garbled:
                self._leave()

    def send(self, message: Message) -> None:
        """Write one line and flush it."""
        if self._bench is not None:
            self._bench.send(message)
            return
        with self._writing:
            self._stdout.write(encode(message) + b"\n")
            self._stdout.flush()

    def receive(self, kind: type[M]) -> M:
        """The next line, which belongs to the request that is being answered. Raises `BadRequest` for another kind."""
        message = decode(self.inbox.line())
        if not isinstance(message, kind):
            raise BadRequest(f"Expected {kind.__name__}, got {type(message).__name__}.", UPDATE_BOTH)
        return message

    def artifacts(self, device: str) -> "tuple[tuple[Standing, ...], str | None]":
        """What was pushed to this device, how it stands, and why the ledger alone could not tell."""
        from device_agent.standing import standings

        deployments, damage = ledger.deployments(self.root, device, self.agent_sha256)
        return standings(self.root, deployments), damage

    def prune(self, device: str, keep: int) -> "Pruned":
        """Remove all that is old or was left."""
        from device_agent.collect import prune
        from device_agent.freeing import freed, removable

        self.lock.require_held("a prune")
        before = removable(self.root)
        sweep(self.root, self._bundle, kept_s=0.0)
        return freed(self.root, before, prune(self.root, keep, device, self.agent_sha256))

    def manifest_text(self, artifact_sha256: str) -> str | None:
        """An artifact's manifest as it lies here, whatever it holds."""
        path = self.root / "artifacts" / artifact_sha256 / MANIFEST_FILE
        if not path.is_file() or path.stat().st_size > _LARGEST_MANIFEST_BYTES:
            return None
        return path.read_bytes().decode(errors="replace")

    def native_fit(self, native: NativeOperators, threads: int) -> "NativeFit":
        """What of native models runs here. Raises `CannotRunNative`."""
        from device_agent.environments import runtime_of
        from device_agent.messages.native import NativeFit
        from device_agent.native_store import choose_here, folder_of, state_of
        from device_agent.probe import usable_cores

        runtime = runtime_of(self.root, native.runtime).packages[native.runtime]
        found = choose_here(native, runtime, threads or usable_cores())
        return NativeFit(found.model, found.library, state_of(folder_of(self.root), found.library))

    def board_facts(self) -> "BoardFacts":
        """The board as it is now."""
        from device_agent.probe import board_facts

        return board_facts()

    @functools.cached_property
    def accepting(self) -> "Accepting":
        """Who tries an artifact, and says which is used."""
        from device_agent.accepting import Accepting

        return Accepting(self.root, self._bundle, self.agent_sha256, self.lock)

    @functools.cached_property
    def provisioning(self) -> "Provisioning":
        """Who makes environments."""
        from device_agent.provisioning import Provisioning

        return Provisioning(self.root, self.lock)

    @property
    def doctor(self) -> "Doctor":
        """Who answers what is asked before the device is used."""
        from device_agent.doctor import Doctor

        return Doctor(self.root)

    def bench(self, request: "BenchRequest") -> "BenchDone":
        """Carry out a benchmark, with what only a benchmark needs imported now."""
        from device_agent.bench import answer_bench

        return answer_bench(request, self)

    def begin_bench(self, request: "BenchRequest", label: str, frame: str) -> "DetachableBench":
        """From here on a lost link ends nothing, until the receipt of the benchmark's result.

        Raises `BadRequest` for a benchmark without a name to ask for it by.
        """
        from device_agent.detached import DetachableBench

        if not request.bench_id:
            raise BadRequest("The benchmark has no id.", UPDATE_BOTH)
        self._heart.pause()
        self._bench = DetachableBench(self.root, request, label, frame, self._stdout.fileno())
        signal.signal(signal.SIGHUP, self._hang_up)
        return self._bench

    @functools.cached_property
    def answering(self) -> "Answering":
        """Who shows images to a model, one request after the other."""
        from device_agent.answering import Answering

        return Answering(self.root, self.lock)

    @functools.cached_property
    def benches(self) -> "Benches":
        """The benchmarks that run on this device, or wait to be fetched."""
        from device_agent.benches import Benches

        return Benches(self.root)

    def receipt(self, bench_id: str) -> None:
        """The host has a benchmark's result: it is dropped, wherever it is."""
        bench = self._bench
        if bench is not None and bench.request.bench_id == bench_id:
            signal.signal(signal.SIGHUP, signal.SIG_DFL)
            self._bench = None
            if bench.lost:
                self._leave()
            self._heart.resume()
        self.benches.forget(bench_id)

    def _hang_up(self, number: int, frame: object) -> None:
        if self._bench is not None:
            self._bench.lose_link()
        self.inbox.end()

    def _host_gone(self) -> None:
        self.inbox.end()
        self._link_lost(GONE_EXIT)

    def _link_lost(self, code: int = 0) -> None:
        """By the thread that reads or the one that watches, while another may drop the benchmark."""
        if self._bench is not None:
            self._bench.lose_link()
        if self._bench is None:
            self._leave(code)

    def _line(self) -> bytes:
        """The next request. Where the benchmark's result waits for its receipt and none comes, this is the end."""
        bench = self._bench
        if bench is None:
            return self.inbox.line()
        from device_agent.detached import RECEIPT_S

        line = None if bench.lost else self.inbox.line_within(RECEIPT_S)
        if line is None:
            bench.lose_link()
            bench.spool()
            self._leave()
        return line or b""

    def _leave(self, code: int = 0) -> None:
        with self.pushing.abandoned():
            os._exit(code)

    def _answer(self) -> Message:
        try:
            request = decode(self._line())
            if not isinstance(request, Request):
                raise BadRequest(f"{type(request).__name__} is no request.", UPDATE_BOTH)
            answer: Message = request.answer(self)
            return answer
        except Exception as error:  # whatever it is, the host must hear of it
            self.inbox.skip_bytes()
            return _fault(error, self.root)


def _fault(error: Exception, root: Path) -> AgentFault:
    if isinstance(error, StrictError):
        return AgentFault("bad_request", f"The agent did not understand: {error}.", UPDATE_BOTH)
    if isinstance(error, OSError) and error.errno is not None:  # a library that does not load has none
        error = disk.refusal(error, root)
    if isinstance(error, AgentError):
        return AgentFault(error.code, error.message, error.remedy)
    if isinstance(error, MemoryError):
        return AgentFault("backend_failed", "The device ran out of memory.", "Use a smaller model.")
    text = f"The agent failed: {type(error).__name__}: {error}."
    return AgentFault("internal", text, "Please report this with the command that led here.")
