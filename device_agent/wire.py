"""The wire format: one JSON object per line, each a frozen dataclass with a `type` key.

The agent owns these types because it runs where the least is installed; the host imports them. Data only:
nothing here is code, and nothing is ever unpickled. A change that an older agent could not read raises
`WIRE_VERSION`, which the first message of every session carries. Times are `time.perf_counter_ns()` of the
device; the host maps them to its own clock by `Ping`.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from device_agent.strict import StrictError, from_dict, from_json, to_dict, to_json

WIRE_VERSION = 2
MANIFEST_SCHEMA_VERSION = 3
ROUNDING = 2.0**-24  # of one number in float32, relative

Format = Literal["onnx", "torch"]
Phase = Literal["idle_before", "import", "load", "check", "warmup", "steady", "runout", "idle_after"]


MODEL_FILES: dict[Format, str] = {"onnx": "model.onnx", "torch": "model.safetensors"}
"""The one file that a backend loads, by format; the manifest must list it."""


@dataclass(frozen=True)
class BackendEntry:
    """A backend by name only, so that the host can list it without importing it."""

    target: str
    """`module:Class`, imported on the device when the backend is opened."""

    formats: tuple[Format, ...]
    """Artifact formats it runs."""

    packages: str
    """What `pip install` must be told on the device. PyTorch's newer wheels for 64-bit Arm require CUDA's."""


# The registry of backends: a new one is a file in `device_agent/backends` and a line here.
BACKENDS: dict[str, BackendEntry] = {
    "onnxruntime": BackendEntry(
        "device_agent.backends.onnxruntime_cpu:OnnxRuntimeBackend", ("onnx",), "numpy onnxruntime"
    ),
    "pytorch": BackendEntry(
        "device_agent.backends.pytorch_cpu:PyTorchBackend", ("torch",), "numpy torch==2.6.0 safetensors"
    ),
    "null": BackendEntry("device_agent.backends.null:NullBackend", ("onnx", "torch"), "numpy"),
}


def is_artifact_id(text: str) -> bool:
    """Whether it is a SHA-256 in hexadecimal digits."""
    return re.fullmatch(r"[0-9a-f]{64}", text) is not None


def require_artifact_id(sha256: str) -> None:
    """Raise `ValueError` for what is no SHA-256 in hexadecimal digits."""
    if not is_artifact_id(sha256):
        raise ValueError(f"{sha256!r} is no artifact's id")


@dataclass(frozen=True)
class FileDigest:
    """One file of an artifact or a checkpoint: its name in the folder, its SHA-256, its size."""

    name: str
    sha256: str
    bytes: int

    @classmethod
    def of(cls, path: Path) -> "FileDigest":
        """Describe a file that exists."""
        with path.open("rb") as stream:
            return cls(path.name, hashlib.file_digest(stream, "sha256").hexdigest(), path.stat().st_size)

    def damage(self, directory: Path) -> str | None:
        """What is wrong with the file of this name in `directory`, as a sentence; None when it is whole."""
        path = directory / self.name
        if Path(self.name).name != self.name:
            return f"{self.name!r} is not a plain file name."
        if not path.is_file():
            return f"{path} is missing."
        found = FileDigest.of(path)
        if found.bytes != self.bytes:
            return f"{path} has {found.bytes} bytes, but {self.bytes} are recorded."
        return None if found.sha256 == self.sha256 else f"{path} was altered: its SHA-256 is not the recorded one."


@dataclass(frozen=True)
class TensorInfo:
    """An input or output: its name in the graph, its shape (batch first), its element type."""

    name: str
    shape: tuple[int, ...]
    dtype: Literal["float32"] = "float32"


@dataclass(frozen=True)
class Preprocessing:
    """How 8-bit pixels become the net's input: `(pixel / 255 - mean) / std`, per channel."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


@dataclass(frozen=True)
class Amplifier:
    """The module of a network at which rounding grows: the root mean square error of single precision there, over
    the spread of the values, in what it reads (`before`) and in what it gives (`after`).
    """

    module: str
    before: float
    after: float


@dataclass(frozen=True)
class Parity:
    """How the exported model was compared with its source: max |Δ| ≤ `tolerance` · `output_std`.

    99 % of all outputs differ by `p99_abs_error` or less. Both are differences from `reference`, the eager network
    computed in double precision; `eager_error` is how far the eager network is from that in single precision.

    Args:
        images: how many.
        max_abs_error: of the exported model.
        p99_abs_error: of the exported model.
        output_std: the standard deviation of the reference's outputs.
        tolerance: 1e-4, or twice `eager_error` over `output_std` where that is more.
        same_top1: whether the answers are the same.
        eager_error: max |Δ| of the eager network in single precision.
        reference: what was compared with.
        batches: how many images at once, each of these.
        amplifier: where rounding grows, if it decides the tolerance.
    """

    images: int
    max_abs_error: float
    p99_abs_error: float
    output_std: float
    tolerance: float
    same_top1: bool
    eager_error: float = 0.0
    reference: Literal["float64"] = "float64"
    batches: tuple[int, ...] = (1,)
    amplifier: Amplifier | None = None

    @property
    def amplification(self) -> str | None:
        """That the network amplifies rounding, by how much and from where on; None where that decides nothing."""
        if self.amplifier is None:
            return None
        eager, grows = self.eager_error / self.output_std, self.amplifier
        return (
            f"The network amplifies rounding: in single precision it is itself {eager:.2g} of the spread away from "
            f"double precision, {eager / ROUNDING:,.0f} times the rounding of one number. It begins in {grows.module}: "
            f"what that reads is off by {grows.before:.2g} of its spread, what it gives by {grows.after:.2g}. Allowed "
            f"is twice the network's own error, {self.tolerance:.2g} of the spread."
        )


@dataclass(frozen=True)
class Golden:
    """One input and the output it must give, as .npy files of the artifact: the device's acceptance check.

    Accepted is max |Δ| ≤ `tolerance` · the parity's `output_std`, and the same arg-max; two outputs that are no farther
    apart than `tie` may change places. Other processors sum in another order, so both are wider than the parity's own.
    """

    input: str = "golden_input.npy"
    output: str = "golden_output.npy"
    tolerance: float = 1e-3
    tie: float = 0.0


@dataclass(frozen=True)
class PassReport:
    """What one pass of the exporter did: how often it fired and with which choices, nodes before and after, why it
    refused where it did, and how far the model was from its source after it.
    """

    name: str
    fired: int
    nodes_before: int
    nodes_after: int
    notes: tuple[str, ...]
    refusals: tuple[str, ...]
    max_abs_error: float
    p99_abs_error: float


@dataclass(frozen=True)
class ArtifactManifest:
    """All that a device and a report need to know of an exported model. Its id is the SHA-256 of its bytes.

    `model` is the specification that `groupnl_deploy.models` rebuilds an eager net from, and `form` says whether as
    it trains or as it runs fastest; `accuracy` is what the host measured on the data set's test images, null for
    an untrained net. `input` and `output` are those of one image; with a dynamic `batch` their first axis may be of
    any size.
    """

    format: Format
    label: str
    model: dict[str, Any]
    trained: bool
    dataset: str | None
    accuracy: float | None
    checkpoint_sha256: str
    files: tuple[FileDigest, ...]
    input: TensorInfo
    output: TensorInfo
    preprocessing: Preprocessing
    producer: dict[str, str]
    parity: Parity
    passes: tuple[PassReport, ...] = ()
    opset: int | None = None
    ir_version: int | None = None
    form: Literal["eager", "inference"] = "eager"
    golden: Golden | None = None
    optimize: str | None = None
    target: str | None = None
    batch: Literal["1", "dynamic"] = "1"
    schema_version: int = MANIFEST_SCHEMA_VERSION

    def to_bytes(self) -> bytes:
        """Canonical bytes of `manifest.json`."""
        return to_json(self).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> "ArtifactManifest":
        """Strict inverse of `to_bytes`; raises `StrictError`."""
        return from_json(cls, data, "manifest.json")

    def damage(self, directory: Path) -> str | None:
        """What is wrong with the artifact's files in `directory`, as a sentence; None when all are whole."""
        if MODEL_FILES[self.format] not in {file.name for file in self.files}:
            return f"The manifest in {directory} lists no {MODEL_FILES[self.format]}."
        found = (file.damage(directory) for file in self.files)
        return next((damage for damage in found if damage is not None), None)


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
class Verify:
    """Check every file of an artifact folder against its manifest; answered by `Verified`."""

    directory: str
    manifest_sha256: str


@dataclass(frozen=True)
class Verified:
    """All files are there and whole."""

    manifest_sha256: str
    files: int


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
    """The workload. `images` lines of `ImagePayload` follow it. `threads` 0 means every core of the device.

    `runout_s` keeps the load on after the steady window: a meter that reports means over its update period
    would otherwise mix the window's last moments with the idle that follows.
    """

    directory: str
    manifest_sha256: str
    backend: str
    threads: int
    images: int
    idle_s: float
    warmup_s: float
    min_iterations: int
    min_seconds: float
    runout_s: float


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

    `predictions` has the arg-max for every image sent, from the `check` phase.
    """

    manifest_sha256: str
    agent_sha256: str
    backend: str
    threads: int
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
    | Verify
    | Verified
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
    "verify": Verify,
    "verified": Verified,
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
