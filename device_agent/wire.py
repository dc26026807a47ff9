"""The wire format: one JSON object per line, each a frozen dataclass with a `type` key.

The agent owns these types because it runs where the least is installed; the host imports them. Data only:
nothing here is code, and nothing is ever unpickled. A change that an older agent could not read raises
`WIRE_VERSION`, which the first message of every session carries. Times are `time.perf_counter_ns()` of the
device; the host maps them to its own clock by `Ping`.
"""

import json
from dataclasses import dataclass, fields
from typing import Any, Literal

from device_agent.manifest import Format, require_artifact_id
from device_agent.settings import SettingError, Settings
from device_agent.strict import StrictError, from_dict, to_dict

WIRE_VERSION = 3

Phase = Literal["idle_before", "import", "load", "check", "warmup", "steady", "runout", "idle_after"]


@dataclass(frozen=True)
class BackendEntry:
    """A backend by name only, so that the host can list it without importing it."""

    target: str
    """`module:Class`, imported on the device when the backend is opened."""

    formats: tuple[Format, ...]
    """Artifact formats it runs."""

    packages: str
    """What `pip install` must be told on the device. PyTorch's newer wheels for 64-bit Arm require CUDA's."""

    settings: frozenset[str]
    """Fields of `Settings` that it reads, beside the workload. Another value than the default is refused for others."""

    computes: bool = True
    """Whether it computes the model's answers, so that they can be accepted and counted as right or wrong."""


# The registry of backends: a new one is a file in `device_agent/backends` and an entry here.
BACKENDS: dict[str, BackendEntry] = {
    "onnxruntime": BackendEntry(
        "device_agent.backends.onnxruntime_cpu:OnnxRuntimeBackend",
        ("onnx",),
        "numpy onnxruntime",
        settings=frozenset({"threads", "spinning", "arena", "graph_level"}),
    ),
    "pytorch": BackendEntry(
        "device_agent.backends.pytorch_cpu:PyTorchBackend",
        ("torch",),
        "numpy torch==2.6.0 safetensors",
        settings=frozenset({"threads"}),
    ),
    "null": BackendEntry(
        "device_agent.backends.null:NullBackend",
        ("onnx", "torch"),
        "numpy",
        settings=frozenset({"threads"}),
        computes=False,
    ),
}


def unread_settings(backend: str, settings: Settings) -> tuple[str, ...]:
    """The fields of `settings` that are not at their default and that the backend does not read."""
    read = BACKENDS[backend].settings | {"workload"}
    return tuple(
        field.name
        for field in fields(settings)
        if field.name not in read and getattr(settings, field.name) != field.default
    )


def require_read(backend: str, settings: Settings) -> None:
    """Raise `SettingError` for the first setting that would do nothing with this backend."""
    unread = unread_settings(backend, settings)
    if unread:
        name = unread[0]
        readers = [other for other, entry in BACKENDS.items() if name in entry.settings]
        raise SettingError(
            f"{{{name}}} would do nothing: the backend {backend} does not read it.",
            f"Leave {{{name}}} out, or use the backend {' or '.join(readers)}.",
            name,
        )


@dataclass(frozen=True)
class Hello:
    """The agent's first line: what it is, so that the host talks only to the agent it pushed."""

    wire_version: int
    agent_sha256: str
    python: str
    machine: str


@dataclass(frozen=True)
class Ping:
    """Answered at once by `Pong`; round trips give the offset between the two clocks."""


@dataclass(frozen=True)
class Pong:
    """The device's clock at the moment of the answer."""

    device_ns: int


@dataclass(frozen=True)
class Probe:
    """Answered by `BoardFacts`."""


@dataclass(frozen=True)
class BoardFacts:
    """The board as it is now; null where it does not tell. `throttled` is the firmware's bit field."""

    model: str | None
    machine: str
    system: str
    kernel: str
    python: str
    cores: int
    memory_total_bytes: int | None
    memory_available_bytes: int | None
    disk_free_bytes: int | None
    governor: str | None
    clock_hz: float | None
    temperature_c: float | None
    throttled: int | None


@dataclass(frozen=True)
class TakeLock:
    """Take the device's lock and hold it until the session ends. Answered by `Waiting`, as often as another holder
    is met, and then by `LockTaken`, or by a fault after `wait_s`. `purpose` is what others are told they wait for.
    """

    purpose: str
    wait_s: float


@dataclass(frozen=True)
class Waiting:
    """Somebody else holds the lock: for what, and for how long already by the device's clock."""

    holder: str
    since_s: float


@dataclass(frozen=True)
class LockTaken:
    """The session holds the lock; the kernel frees it when the agent ends, however it ends."""


@dataclass(frozen=True)
class OpenPush:
    """Begin to push an artifact, under the lock. Answered by `PushOpened`."""

    manifest_sha256: str

    def __post_init__(self) -> None:
        require_artifact_id(self.manifest_sha256)  # it becomes part of a path


@dataclass(frozen=True)
class PushOpened:
    """The folder below the device's root to upload to; null where the artifact is there already, and whole."""

    incoming: str | None


@dataclass(frozen=True)
class CommitPush:
    """Verify what was uploaded, give it its name and write it into the ledger. Answered by `Deployment`.

    The host's name for the device and the host's time go into the ledger: a board may have no clock of its own.
    """

    device: str
    pushed_at: str


@dataclass(frozen=True)
class Deployment:
    """One artifact on one device: a line of the ledger. `previous` is the artifact that was the newest before it."""

    device: str
    artifact_sha256: str
    label: str
    format: Format
    agent_sha256: str
    pushed_at: str
    previous: str | None
    schema_version: int = 2

    def __post_init__(self) -> None:
        require_artifact_id(self.artifact_sha256)  # it becomes part of a path, and it is read from the device

    @property
    def directory(self) -> str:
        """The artifact's folder below the device's root."""
        return f"artifacts/{self.artifact_sha256}"


@dataclass(frozen=True)
class ReadLedger:
    """What was pushed to this device, whose name on the host is `device`? Answered by `LedgerRead`."""

    device: str


@dataclass(frozen=True)
class LedgerRead:
    """All deployments, the newest last, one an artifact. `damage` says why they were gathered from the artifacts."""

    deployments: tuple[Deployment, ...]
    damage: str | None


@dataclass(frozen=True)
class BenchRequest:
    """What is to be measured, and how. `images_sent` lines of `ImagePayload` follow it.

    `runout_s` keeps the load on after the steady window: a meter that reports means over its update period
    would otherwise mix the window's last moments with the idle that follows.
    """

    directory: str
    manifest_sha256: str
    backend: str
    settings: Settings
    images_sent: int
    runout_s: float

    def __post_init__(self) -> None:
        if self.images_sent < 1 or not self.runout_s >= 0:
            raise ValueError("a benchmark needs at least one image, and a run-out of zero seconds or more")


@dataclass(frozen=True)
class ImagePayload:
    """One 8-bit image, (C, H, W), row-major bytes in base64. One a line, so that no long line stays in memory."""

    shape: tuple[int, int, int]
    data: str


@dataclass(frozen=True)
class PhaseMark:
    """A phase begins now. `expected_s` is how long it should take, so that the host knows when to worry."""

    phase: Phase
    start_ns: int
    expected_s: float


@dataclass(frozen=True)
class Progress:
    """Images done in the `check` phase. Never sent inside the steady window."""

    done: int
    total: int


@dataclass(frozen=True)
class CpuUse:
    """Processor seconds between two readings of the kernel's counters; null where the kernel does not tell.

    `own_s` is the agent's process. `busy_s`, `iowait_s` and `stolen_s` (what a hypervisor gave to others) are sums
    over all `cores` of the machine and move in steps of `tick_s`. `held_back_s` is how long a quota of its control
    groups kept the agent waiting. The clocks are the fastest core's at both readings.
    """

    elapsed_s: float
    own_s: float
    tick_s: float
    cores: int | None
    busy_s: float | None
    iowait_s: float | None
    stolen_s: float | None
    held_back_s: float | None
    clock_before_hz: float | None
    clock_after_hz: float | None


@dataclass(frozen=True)
class PhaseSpan:
    """When a phase ran, on the device's clock, and who used the processor meanwhile, read just outside it."""

    phase: Phase
    start_ns: int
    end_ns: int
    cpu: CpuUse | None = None


@dataclass(frozen=True)
class Memory:
    """Resident memory of the agent's process: before the runtime's import, after loading, highest ever."""

    rss_start_bytes: int
    rss_after_load_bytes: int
    rss_peak_bytes: int


@dataclass(frozen=True)
class BenchResult:
    """Everything measured, raw: each latency of the steady window, each phase, the board before and after.

    `predictions` has the arg-max for every image sent, from the `check` phase. `settings` are those that were applied:
    the threads are as many as there were.
    """

    manifest_sha256: str
    agent_sha256: str
    backend: str
    settings: Settings
    versions: dict[str, str]
    phases: tuple[PhaseSpan, ...]
    first_inference_ns: int
    latencies_ns: tuple[int, ...]
    predictions: tuple[int, ...]
    memory: Memory
    board_before: BoardFacts
    board_after: BoardFacts

    def span(self, phase: Phase) -> PhaseSpan:
        """The phase's span; every result has every phase."""
        return next(span for span in self.phases if span.phase == phase)


@dataclass(frozen=True)
class AgentFault:
    """The agent could not do what was asked: a stable code, what happened, what to do."""

    code: str
    message: str
    remedy: str


Message = (
    Hello
    | Ping
    | Pong
    | Probe
    | BoardFacts
    | TakeLock
    | Waiting
    | LockTaken
    | OpenPush
    | PushOpened
    | CommitPush
    | Deployment
    | ReadLedger
    | LedgerRead
    | BenchRequest
    | ImagePayload
    | PhaseMark
    | Progress
    | BenchResult
    | AgentFault
)

_MESSAGES: dict[str, type[Any]] = {
    "hello": Hello,
    "ping": Ping,
    "pong": Pong,
    "probe": Probe,
    "board_facts": BoardFacts,
    "take_lock": TakeLock,
    "waiting": Waiting,
    "lock_taken": LockTaken,
    "open_push": OpenPush,
    "push_opened": PushOpened,
    "commit_push": CommitPush,
    "deployment": Deployment,
    "read_ledger": ReadLedger,
    "ledger": LedgerRead,
    "bench": BenchRequest,
    "image": ImagePayload,
    "phase": PhaseMark,
    "progress": Progress,
    "result": BenchResult,
    "fault": AgentFault,
}

_NAMES = {cls: name for name, cls in _MESSAGES.items()}


def encode(message: Message) -> bytes:
    """One line without its newline."""
    body = {"type": _NAMES[type(message)], **to_dict(message)}
    return json.dumps(body, separators=(",", ":"), allow_nan=False).encode()


def decode(line: bytes) -> Message:
    """Strict inverse of `encode`. Raises `StrictError` for anything that is not one of our messages."""
    try:
        body = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise StrictError(f"not a message of ours: {line[:80]!r} ({error})") from error
    kind = body.pop("type", None) if isinstance(body, dict) else None
    if not isinstance(kind, str) or kind not in _MESSAGES:
        raise StrictError(f"not a message of ours: {line[:80]!r}")
    message: Message = from_dict(_MESSAGES[kind], body, kind)
    return message
