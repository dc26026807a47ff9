"""The host's end of the conversation with an agent: typed requests, typed answers, typed failures."""

import base64
import collections
import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from device_agent.deaths import death_of
from device_agent.heartbeat import EVERY_S
from device_agent.machine import Machine
from device_agent.messages.alive import Abort, Alive
from device_agent.messages.bench import (
    BenchBegun,
    BenchDone,
    BenchFrame,
    BenchNews,
    BenchRequest,
    ImagePayload,
    PhaseMark,
    Progress,
)
from device_agent.messages.clock import Ping
from device_agent.messages.greeting import PRUNE_COMMAND, AgentFault
from device_agent.messages.lock import LockTaken, TakeLock, Waiting
from device_agent.messages.spool import BenchFetched, FetchBench
from device_agent.silence import GONE_EXIT, QUIET_S
from device_agent.strict import StrictError
from device_agent.wire import Answer, Message, Request, answer_of, decode, encode
from groupnl_deploy.errors import (
    DeviceBusy,
    DeviceFault,
    DeviceUnavailable,
    DeviceUnreachable,
    DiskFull,
    GroupNLError,
    NoNativeLibrary,
    NotAccepted,
    UsageError,
    VerificationFailed,
)
from groupnl_deploy.remote.deadline import Deadline
from groupnl_deploy.remote.transport import SILENCE_S, Process
from groupnl_deploy.words import command_line

_ABORT_S = 2.0
_BEAT_S = 0.5

M = TypeVar("M", bound=Message)
_LAST_WORDS = 3  # lines of an agent that died; a traceback ends with what it was about


@dataclass(frozen=True)
class ClockProbe:
    """One round trip: the host's clock (monotonic) before and after, the device's clock in between; seconds."""

    sent_s: float
    received_s: float
    device_s: float


@dataclass(frozen=True)
class FetchedBench:
    """A benchmark out of a device's spool: its messages from the first on, and what else lay beside them."""

    messages: tuple[BenchNews | BenchDone, ...]
    rest: BenchFetched


class AgentClient:
    """A running agent whose identity was checked. Made by `open_agent`.

    `machine` is what it runs on, `python` the version that runs it; `root` is the absolute path there of the folder
    that holds all that is ours.
    Requests may be sent before the answers to others have come: answers come in the order of the requests.
    """

    machine: Machine
    python: str
    root: str

    def __init__(self, process: Process, device_name: str) -> None:
        self.process, self._device_name = process, device_name
        self._benching = self._quiet = False
        self._early: collections.deque[Message] = collections.deque()
        self._heard_s = time.monotonic()
        self._writing = threading.Lock()
        self.oom_kills: int | None = None
        """How many the kernel there had killed for want of memory when the agent started, where it tells."""
        self.ran_out: Callable[[], bool | None] = lambda: None
        """Asks the device whether there was one since."""

    @contextlib.contextmanager
    def heard(self) -> Iterator[None]:
        """Let the agent hear of us every few seconds while the block runs: where it does not, it takes us for gone."""
        ended = threading.Event()

        def beat() -> None:
            while not ended.wait(EVERY_S):
                # Where bytes are being sent, or wait to be read there, the agent has something to hear.
                if not self._quiet and self._writing.acquire(blocking=False):
                    try:
                        self.process.send(b"\n", _BEAT_S)
                    except GroupNLError:
                        pass  # what broke is told where it is waited for
                    finally:
                        self._writing.release()

        threading.Thread(target=beat, daemon=True).start()
        try:
            yield
        finally:
            ended.set()

    def probe_clock(self, count: int) -> tuple[ClockProbe, ...]:
        """`count` round trips, one after the other."""
        return tuple(self._round_trip() for _ in range(count))

    def ask(self, request: Request[Answer]) -> Answer:
        """Send a request and wait for its answer. Raises the host's error for a fault, or `DeviceUnreachable`."""
        self.send(request)
        return self.answer_to(request)

    def send(self, *messages: Message) -> None:
        """Send messages without waiting for their answers."""
        self._write(b"".join(encode(message) + b"\n" for message in messages))

    def answer_to(self, request: Request[Answer]) -> Answer:
        """The answer to a request that was sent. Raises what `ask` does."""
        return self.expect(answer_of(type(request)), self._receive(request.patience_s))

    def answer_behind(self, request: Request[Answer], kind: type[M], tell: Callable[[M], None]) -> Answer:
        """The answer to a request that was sent; `tell` hears of the messages of `kind` that come before it."""
        while isinstance(message := self._receive(request.patience_s), kind):
            tell(message)
        return self.expect(answer_of(type(request)), message)

    def send_bytes(self, pieces: Iterable[bytes]) -> None:
        """The bytes of the request that was just sent, in frames.

        Raises what `ask` does for a fault that arrives meanwhile, whichever request it answers: the rest of the bytes
        is not sent then.
        """
        for piece in pieces:
            if piece:
                self._write(b"#%d\n%s" % (len(piece), piece))
            self._hear()
        self._write(b"#0\n")

    def take_lock(self, purpose: str, wait_s: float, waiting: Callable[[Waiting], None]) -> None:
        """Hold the device's lock from here to the agent's end. `waiting` hears of every other holder on the way.

        `purpose` is what others are told that they wait for. Raises `DeviceBusy` after `wait_s`.
        """
        request = TakeLock(purpose, wait_s)
        self.send(request)
        self.await_lock(request, waiting)

    def await_lock(self, request: TakeLock, waiting: Callable[[Waiting], None]) -> None:
        """Wait for the lock that was asked for; otherwise as `take_lock`."""
        while isinstance(message := self._receive(request.wait_s + TakeLock.patience_s), Waiting):
            waiting(message)
        self.expect(LockTaken, message)

    def bench(
        self, request: BenchRequest, images: Iterable[npt.NDArray[np.uint8]], frame: str = ""
    ) -> Iterator[BenchNews | BenchDone]:
        """Send the workload; every message of the benchmark as it arrives, the last one `BenchDone`.

        `images` are (C, H, W), as many as the request says; `frame` is for the device to keep. The device then waits
        for the receipt, a `ForgetBench`, and keeps the result where none comes.
        """
        self._benching = True
        self.send(request, BenchFrame(frame))
        for image in images:
            self.send(_payload(image))
        message = self._news(request.patience_s, silence_s := SILENCE_S)
        while isinstance(message, BenchNews):
            self._quiet = self._quiet or isinstance(message, BenchBegun)  # nothing disturbs what is measured
            yield message
            silence_s = _silence_behind(message, silence_s)
            message = self._news(silence_s, silence_s)
        done = self.expect(BenchDone, message)
        self._benching = self._quiet = False
        yield done

    def _news(self, patience_s: float, silence_s: float) -> Message:
        try:
            return self._receive(patience_s, silence_s)
        except DeviceUnreachable:
            self._benching = self._quiet = False  # it goes on there
            raise

    def fetch_bench(self, bench_id: str) -> FetchedBench:
        """A benchmark out of the device's spool, where it stays."""
        request, messages = FetchBench(bench_id), list[BenchNews | BenchDone]()
        self.send(request)
        while isinstance(message := self._receive(request.patience_s), BenchNews | BenchDone):
            messages.append(message)
        return FetchedBench(tuple(messages), self.expect(BenchFetched, message))

    def end(self, error: BaseException) -> None:
        """Tell the agent to drop the benchmark that this error has ended here.

        Not so where its link is lost, nor where its result has arrived and could not be stored: that stays there.
        Ctrl-C wants none.
        """
        if self._benching or isinstance(error, KeyboardInterrupt):
            with contextlib.suppress(DeviceUnreachable):
                self.process.send(encode(Abort()) + b"\n", _ABORT_S)

    def _round_trip(self) -> ClockProbe:
        sent_s = time.monotonic()
        pong = self.ask(Ping())
        return ClockProbe(sent_s, time.monotonic(), pong.device_ns / 1e9)

    def _write(self, data: bytes) -> None:
        try:
            with self._writing:
                self.process.send(data, go_on=self._lives)
        except DeviceUnreachable as error:
            if self.process.exit_code(1.0) is None:
                raise
            self._raise_last_fault()
            raise self.gone() from error

    def _raise_last_fault(self) -> None:
        """A fault that the agent has told before it ended is why."""
        with contextlib.suppress(DeviceUnreachable):
            while (line := self.process.read_line(1.0)) is not None:
                self.message(line)

    def _hear(self) -> None:
        """Take in what has arrived already. Raises for a fault, and where the agent has fallen silent."""
        while self.process.has_line():
            message = self._read(1.0)
            if not isinstance(message, Alive):
                self._early.append(message)
        if time.monotonic() - self._heard_s > SILENCE_S:
            raise self._late(f"has been silent for {SILENCE_S:g} s")

    def _lives(self) -> bool:
        """An agent that takes no bytes, as the card there is slow, and says that it lives, is waited for."""
        self._hear()
        return True

    def _receive(self, patience_s: float, silence_s: float = SILENCE_S) -> Message:
        """The next message that is more than a sign of life; one has to come every `silence_s`."""
        if self._early:
            return self._early.popleft()
        end = Deadline.after(patience_s)
        while not end.expired:
            message = self._read(min(silence_s, end.left_s))
            if not isinstance(message, Alive):
                return message
        raise self._late(f"is still at it after {patience_s:g} s")

    def _read(self, timeout_s: float) -> Message:
        line = self.process.read_line(timeout_s)
        if line is None:
            raise self.gone()
        self._heard_s = time.monotonic()
        return self.message(line)

    def _late(self, what: str) -> DeviceUnavailable:
        return DeviceUnavailable(f"The agent on {self._device_name} {what}.", "Find out what keeps the device busy.")

    def message(self, line: bytes) -> Message:
        """What a line of the agent's says. Raises the host's error for a fault."""
        try:
            message = decode(line)
        except StrictError as error:
            raise DeviceFault(
                f"The agent on {self._device_name} sent something that is no message: {error}.",
                "Check that nothing else writes to the login shell's output there.",
            ) from error
        if isinstance(message, AgentFault):
            raise fault_error(message, self._device_name)
        return message

    def expect(self, kind: type[M], message: Message) -> M:
        """The message, which has to be of this kind."""
        if not isinstance(message, kind):
            raise DeviceFault(f"The agent answered {type(message).__name__}, not {kind.__name__}.", "Push again.")
        return message

    def gone(self) -> GroupNLError:
        """Why the agent has ended, or the link to it."""
        code, said = self.process.exit_code(2.0), self.process.stderr_tail().strip()
        death = None if code is None else death_of(code, self.ran_out() if code == 128 + signal.SIGKILL else None)
        if death is not None:
            return DeviceFault(f"The agent on {self._device_name} {death.what}.", death.remedy)
        if code is None:
            return DeviceUnavailable(f"The connection to {self._device_name} broke.", "Check the device and its link.")
        if code == GONE_EXIT:
            return DeviceUnavailable(
                f"The agent on {self._device_name} has not heard of this machine for {QUIET_S:.0f} s and ended.",
                "Check the link, and whether this machine slept; then run the command again.",
            )
        last = " / ".join(line.strip() for line in said.splitlines()[-_LAST_WORDS:]) or "it said nothing"
        return DeviceFault(
            f"The agent on {self._device_name} ended with code {code}: {last}",
            "Run the command once more; if it ends in the same way, report it with these last words.",
        )


def _silence_behind(message: BenchNews, before_s: float) -> float:
    """How long nothing may be said behind this message of a benchmark, whose agent does not say that it lives."""
    if isinstance(message, PhaseMark):
        return message.patience_s
    return before_s if isinstance(message, Progress) else SILENCE_S


def fault_error(fault: AgentFault, device_name: str) -> GroupNLError:
    """The host's error for a fault, so that its kind decides the exit code."""
    kinds: dict[str, type[GroupNLError]] = {
        "digest_mismatch": VerificationFailed,
        "bad_request": UsageError,
        "disk_full": DiskFull,
        "no_inodes": DiskFull,
        "busy": DeviceBusy,
        "runtime_too_old": NotAccepted,
        "native_damaged": VerificationFailed,
        "native_no_library": NoNativeLibrary,
        # Another artifact is what helps; where another runtime does, it is a fault of the device's.
        **dict.fromkeys(("native_32_bit", "native_libc", "native_instructions", "native_block"), UsageError),
        **dict.fromkeys(("native_operators", "native_threads"), UsageError),
    }
    remedy = fault.remedy.replace(PRUNE_COMMAND, command_line("device", "prune", device_name))
    return kinds.get(fault.code, DeviceFault)(f"{device_name}: {fault.message}", remedy)


def _payload(image: npt.NDArray[np.uint8]) -> ImagePayload:
    channels, height, width = image.shape
    data = base64.b64encode(np.ascontiguousarray(image).tobytes()).decode()
    return ImagePayload((channels, height, width), data)
