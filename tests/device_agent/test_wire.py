import dataclasses
import json
from pathlib import Path

import pytest

from device_agent import wire
from device_agent.machine import Machine
from device_agent.manifest import (
    MANIFEST_SCHEMA_VERSION,
    ArtifactFile,
    ArtifactManifest,
    DataRecord,
    Golden,
    NativeModel,
    NativeOperators,
    Parity,
    Preprocessing,
    Source,
    TensorInfo,
)
from device_agent.messages.accept import Accept, Acceptance, Rollback
from device_agent.messages.alive import Abort, Alive
from device_agent.messages.answers import AnswerImages, AnsweringOpened, ImagesAnswered, OpenAnswering
from device_agent.messages.artifacts import Prune, Pruned
from device_agent.messages.bench import (
    BenchBegun,
    BenchDone,
    BenchFrame,
    BenchRequest,
    BoardStates,
    Checked,
    CpuUse,
    ImagePayload,
    Latencies,
    Loaded,
    MemoryUse,
    NativeRan,
    Outputs,
    OutputValues,
    PhaseMark,
    PhaseSpan,
    Progress,
)
from device_agent.messages.board import BoardFacts, BoardState, Probe
from device_agent.messages.clock import Ping, Pong
from device_agent.messages.doctor import (
    AskLeftovers,
    AskReadiness,
    BackendFound,
    LeftBehind,
    Leftovers,
    OtherAgent,
    PackageTried,
    Readiness,
    Room,
    Runtime,
    TryPackage,
    Volume,
)
from device_agent.messages.greeting import AgentFault, Hello
from device_agent.messages.ledger import Deployment, LedgerRead, ManifestRead, ReadLedger, ReadManifest, Standing
from device_agent.messages.lock import LockTaken, TakeLock, Waiting
from device_agent.messages.native import AskNative, LibraryPlaced, NativeFit, SendLibrary
from device_agent.messages.profile import OperatorTime, Profiled
from device_agent.messages.provision import (
    BuildEnvironment,
    Building,
    EnvironmentBuilt,
    EnvironmentOpened,
    OpenEnvironment,
    SendWheel,
)
from device_agent.messages.push import (
    CommitPush,
    FileArrived,
    Held,
    Mark,
    OpenPush,
    PushFile,
    PushOpened,
    SendFile,
)
from device_agent.messages.spool import (
    AskBench,
    BenchFetched,
    BenchForgotten,
    BenchState,
    BenchStates,
    BenchStopped,
    FetchBench,
    ForgetBench,
    ListBenches,
    StopBench,
)
from device_agent.native import NativeLibrary
from device_agent.settings import Settings
from device_agent.strict import StrictError

BOARD = BoardFacts(None, "aarch64", "Debian", "6.1", "3.11.2", 4, 1, 2, 3, "ondemand", 1.5e9, 48.3, 0)
DEPLOYMENT = Deployment("pi", "a" * 64, "net", "onnx", "b" * 64, "2026-11-26T12:00:00+00:00", None)
NATIVE = NativeModel("model.onnx", 0, "1.15.1", None, "1.17.0")
MACHINE = Machine("linux", "aarch64", 64, "glibc", "2.36", 0)
VOLUME = Volume("/home/pi/.groupnl", Room("/", "ext4", 5, None, 4096, False), no_exec=True, writable=True)
FOUND = BackendFound(Runtime("null", None, "3.11.2", {"numpy": None}), "/usr/bin/python3", ("numpy",), False)
MEMORY = MemoryUse(3, 2, 4, 0, None)
BENCH = BenchRequest("artifacts/x", "a" * 64, "null", Settings(graph_level="basic"), 3, 1.0, "0123456789ab")
MESSAGES: list[wire.Message] = [
    Hello(1, "c" * 64, "3.11.2", MACHINE, "/home/pi/.groupnl"),
    Alive(),
    Ping(),
    Pong(12345678901234567),
    Probe(),
    BOARD,
    TakeLock("a push of net from laptop", 600.0),
    Waiting("a benchmark of net from “Pépé's”", 12.5),
    LockTaken(),
    OpenPush("a" * 64, (PushFile("model.onnx", "b" * 64, 3), PushFile("manifest.json", "a" * 64, 5))),
    PushOpened("incoming/0123", (Held("model.onnx", (Mark(2, "c" * 64),)),)),
    SendFile("model.onnx", 2),
    FileArrived("model.onnx"),
    AskNative(NativeOperators("groupnl.native", 1, {"Depthwise": 2}, (NATIVE,)), 0),
    NativeFit(NATIVE, NativeLibrary("d" * 64, 5, "linux", "aarch64", "glibc", "2.17", 1, "1.15.1"), "missing"),
    SendLibrary("d" * 64),
    LibraryPlaced(),
    OpenEnvironment("pytorch", "torch==2.9.1 --hash=sha256:…", None, (PushFile("a-1-py3-none-any.whl", "b" * 64, 3),)),
    EnvironmentOpened(False, (Held("a-1-py3-none-any.whl", (Mark(2, "c" * 64),)),)),
    SendWheel("a-1-py3-none-any.whl", 2),
    BuildEnvironment(),
    Building("loading torch"),
    EnvironmentBuilt("/home/pi/.groupnl/environments/pytorch/bin/python", {"torch": "2.9.1+cpu"}),
    CommitPush("pi", "2026-11-26T12:00:00+00:00"),
    DEPLOYMENT,
    ReadManifest("a" * 64),
    ManifestRead("{}"),
    ReadLedger("pi"),
    LedgerRead((Standing(DEPLOYMENT, 12, "pending", False, True, False),), None),
    Accept("a" * 64),
    Rollback("torch"),
    Acceptance("a" * 64, "net", "onnx", "onnxruntime", "refused", True, "crashed", "It crashed.", "x", "b" * 64, None),
    Prune("pi", 3),
    Pruned(("a" * 64,), (f"incoming/{'b' * 64}",), 12),
    BENCH,
    Abort(),
    BenchFrame("the host's own “words”\n"),
    ImagePayload((3, 1, 1), "AAEC"),
    PhaseMark("steady", 5, 10.0),
    Progress(1, 3),
    BenchBegun("b" * 64, Settings(2), BOARD, MEMORY),
    PhaseSpan("steady", 5, 6, CpuUse(1.0, 0.5, 0.01, 4, 0.5, 0.0, None, None, None, 1.5e9), MEMORY),
    Loaded({"numpy": "2"}, NativeRan("model.onnx", 16, "d" * 64, "avx512"), ("CPUExecutionProvider",)),
    Outputs((OutputValues("logits", "float32", (1, 2), "AAAAAAAAgD8="),)),
    Checked(10, (1, 2), (3, 4), (5, 6)),
    Latencies((5, 6, 7)),
    BoardStates((BoardState(5, (1.5e9, 1.5e9), "ondemand", 48.3, 0, False, 5.1, 0.25, 0.01),)),
    Profiled((5, 6), (OperatorTime("/conv1/Conv_nchwc", "Conv", 2, 9, ("/conv1/Conv",), (0,)),), "“none”"),
    BenchDone(3, BOARD),
    OpenAnswering("artifacts/x", "a" * 64, "onnxruntime", 0),
    AnsweringOpened({"onnxruntime": "1.15.1"}, 4, NativeRan("model.onnx", 16, "d" * 64, "neon")),
    AnswerImages(32),
    ImagesAnswered(OutputValues("logits", "float32", (1, 2), "AAAAAAAAgD8=")),
    AskReadiness(("onnxruntime", "null")),
    Readiness(MACHINE, BOARD, VOLUME, (FOUND,), "/usr/bin/python3", False, True, 1.7e9),
    TryPackage("onnxruntime", "numpy"),
    PackageTried("onnxruntime", "numpy", None, 132, "Illegal instruction"),
    AskLeftovers(),
    Leftovers((OtherAgent(77, 3.5),), (LeftBehind("upload", 9, 90_000.0),)),
    ListBenches(),
    BenchStates((BenchState("0123456789ab", "running", "net", "null", "a" * 64, True, "steady", 5.0),)),
    AskBench("0123456789ab", reclaim=True),
    BenchState("0123456789ab", "not_kept", ended_s=2.0, why="No space left on device"),
    StopBench("0123456789ab"),
    BenchStopped(),
    FetchBench("0123456789ab"),
    BenchFetched(BENCH, "the host's own “words”\n", AgentFault("internal", "It failed.", "x"), 2.0),
    ForgetBench("0123456789ab"),
    BenchForgotten(),
    AgentFault("internal", "“quoted”\nand a line break", "x"),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_every_message_survives_the_wire_on_one_line(message: wire.Message) -> None:
    line = wire.encode(message)
    assert b"\n" not in line
    assert wire.decode(line) == message


def test_the_cases_above_are_all_messages() -> None:
    assert {type(message) for message in MESSAGES} == set(wire.message_classes().values())


@pytest.mark.parametrize(
    "line",
    [
        b'{"type":"open_push","manifest_sha256":"../../../etc","files":[]}',
        b'{"type":"read_manifest","artifact_sha256":"../../../etc"}',
        b'{"type":"send_library","sha256":"../agents/x"}',
        b'{"type":"fetch_bench","bench_id":"../agents/x"}',
        b'{"type":"forget_bench","bench_id":""}',
        b'{"type":"open_answering","directory":"x","manifest_sha256":"../x","backend":"null","threads":1}',
        b'{"type":"answer_images","count":0}',
        b'{"type":"answer_images","count":-1}',
        b"",
        b"hello pi",
        b"[]",
        b'{"type":"exec"}',
        b'{"type":[]}',
        b'{"type":"ping","x":1}',
        b"\xff\xfe",
    ],
)
def test_anything_else_is_refused(line: bytes) -> None:
    with pytest.raises(StrictError):
        wire.decode(line)


@pytest.mark.parametrize("version", [4, MANIFEST_SCHEMA_VERSION + 1])
def test_a_manifest_of_another_schema_version_is_refused_for_that_and_not_for_its_keys(version: int) -> None:
    data = json.loads(_manifest().to_bytes()) | {"schema_version": version, "a_key_of": "another version"}
    for file in data["files"]:
        del file["role"]
    with pytest.raises(StrictError, match=f"schema_version {version} is not the {MANIFEST_SCHEMA_VERSION}"):
        ArtifactManifest.from_bytes(json.dumps(data).encode())


def test_a_file_is_found_by_its_role_and_a_role_that_no_file_has_is_named() -> None:
    manifest = _manifest()
    assert manifest.file("model").name == "model.onnx"
    with pytest.raises(LookupError, match="golden_input"):
        manifest.file("golden_input")


def test_a_role_that_no_file_or_several_have_is_damage(tmp_path: Path) -> None:
    none = dataclasses.replace(_manifest(), files=())
    assert "no files in the role model" in (none.damage(tmp_path) or "")
    twice = (ArtifactFile("one.npz", "e" * 64, 3, "golden_input"), ArtifactFile("two.npz", "e" * 64, 3, "golden_input"))
    golden = dataclasses.replace(_manifest(), files=(*_manifest().files, *twice), golden=Golden((1e-3,)))
    assert "2 files in the role golden_input" in (golden.damage(tmp_path) or "")


def test_several_model_files_need_a_record_of_each() -> None:
    with pytest.raises(ValueError, match="its model files are"):
        dataclasses.replace(_manifest(), files=_manifest().files * 2)
    operators = NativeOperators(
        "groupnl.native", 1, {"Depthwise": 1}, (dataclasses.replace(NATIVE, file="other.onnx"),)
    )
    with pytest.raises(ValueError, match="its model files are"):
        dataclasses.replace(_manifest(), native=operators)


def test_a_golden_pair_needs_its_two_files(tmp_path: Path) -> None:
    manifest = dataclasses.replace(_manifest(), golden=Golden((1e-3,)))
    assert "no files in the role golden_input" in (manifest.damage(tmp_path) or "")


def test_a_manifest_survives_its_bytes() -> None:
    manifest = _manifest()
    assert ArtifactManifest.from_bytes(manifest.to_bytes()) == manifest
    assert json.loads(manifest.to_bytes())["schema_version"] == MANIFEST_SCHEMA_VERSION


def _manifest() -> ArtifactManifest:
    return ArtifactManifest(
        format="onnx",
        label="net",
        model={"name": "net", "deep": {"x": [1, 2]}},
        trained=False,
        data=DataRecord("photos", "f" * 64, ("cat", "dog"), None),
        accuracy=None,
        source=Source("checkpoint", "d" * 64),
        files=(ArtifactFile("model.onnx", "e" * 64, 3, "model"),),
        inputs=(TensorInfo("input", (1, 3, 8, 8)),),
        outputs=(TensorInfo("logits", (1, 10)),),
        preprocessing=Preprocessing((0.5,) * 3, (0.25,) * 3),
        producer={"torch": "2"},
        parity=Parity(8, 1e-7, 5e-8, 1.0, 1e-4, True),
    )


def test_a_request_that_nobody_answers_says_so() -> None:
    class AskNothing(wire.Request[Pong]):
        pass

    with pytest.raises(NotImplementedError, match="AskNothing has no method answer"):
        AskNothing().answer(None)
