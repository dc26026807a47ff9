"""The real bundle in a real process, spoken to through its own wire protocol."""

import dataclasses
import hashlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from device_agent.arrays import write_arrays
from device_agent.artifact import open_artifact
from device_agent.errors import DigestMismatch
from device_agent.manifest import MANIFEST_FILE, ArtifactFile
from device_agent.messages.bench import PHASES, BenchBegun, BenchRequest, PhaseMark, Progress
from device_agent.messages.board import Probe
from device_agent.settings import Settings, Workload
from groupnl_deploy.bench.memory import memory_need
from groupnl_deploy.errors import DeviceBusy, DeviceFault, UsageError, VerificationFailed
from groupnl_deploy.remote.agent import open_agent
from groupnl_deploy.remote.bundle import build_bundle
from groupnl_deploy.remote.client import AgentClient
from groupnl_deploy.remote.local import LocalTransport
from tests.device_agent.whole_bench import whole_bench
from tests.rigs.openvino_here import NEEDS_OPENVINO

pytestmark = pytest.mark.alone

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 3, 32, 32), dtype=np.uint8)


@pytest.fixture
def transport(tmp_path: Path):
    with LocalTransport(tmp_path / "board", sys.executable) as transport:
        yield transport


@pytest.fixture
def agent(transport):
    (Path(transport.root)).mkdir()
    (Path(transport.root) / "linked").symlink_to("/")
    with open_agent(transport) as agent:
        yield agent


def request_for(artifact, **changes: object) -> BenchRequest:
    """A short benchmark; a change may be of the request, of its settings or of their workload."""
    kinds = (Workload, Settings, BenchRequest)
    work, others, own = ({k: v for k, v in changes.items() if k in kind.__dataclass_fields__} for kind in kinds)
    workload = Workload(**{"idle_s": 0.05, "warmup_s": 0.02, "min_iterations": 20, "min_seconds": 0.1} | work)
    values = {
        "directory": f"linked{artifact.directory}",
        "manifest_sha256": artifact.sha256,
        "backend": "null",
        "settings": Settings(**{"threads": 1, "workload": workload} | others),
        "images_sent": len(IMAGES),
        "runout_s": 0.01,
    }
    return BenchRequest(**(values | own))


def test_it_answers_pings_with_its_monotonic_clock(agent: AgentClient) -> None:
    probes = agent.probe_clock(5)
    device = [probe.device_s for probe in probes]
    assert device == sorted(device) and len(set(device)) == 5
    assert all(probe.sent_s <= probe.received_s for probe in probes)


def test_it_tells_the_boards_facts(agent: AgentClient) -> None:
    facts = agent.ask(Probe())
    assert facts.cores >= 1 and facts.memory_total_bytes > 0
    assert facts.python == ".".join(map(str, sys.version_info[:3]))


@pytest.mark.parametrize("backend", ["null", "onnxruntime", pytest.param("openvino", marks=NEEDS_OPENVINO), "pytorch"])
def test_a_benchmark_keeps_every_latency_and_every_phase(agent: AgentClient, untrained, backend: str) -> None:
    artifact = untrained.torch if backend == "pytorch" else untrained.onnx
    marks: list[PhaseMark | Progress] = []
    result = whole_bench(agent, request_for(artifact, backend=backend), IMAGES, marks.append)
    assert [mark.phase for mark in marks if isinstance(mark, PhaseMark)] == list(PHASES)
    assert [span.phase for span in result.phases] == list(PHASES)
    steady = result.span("steady")
    assert len(result.latencies_ns) >= 20 and min(result.latencies_ns) > 0
    assert sum(result.latencies_ns) <= steady.end_ns - steady.start_ns
    assert steady.end_ns - steady.start_ns >= 0.1e9
    assert all(before.end_ns <= after.start_ns for before, after in zip(result.phases, result.phases[1:], strict=False))
    for span in result.phases:
        assert span.cpu.elapsed_s >= (span.end_ns - span.start_ns) / 1e9, "read outside the phase"
        assert span.cpu.cores >= 1 and span.cpu.busy_s >= 0
    assert 0 < steady.cpu.own_s <= steady.cpu.elapsed_s * steady.cpu.cores + 0.1
    assert len(result.predictions) == 3
    memory = memory_need(result)
    assert 0 < memory.start <= memory.after_import <= memory.after_load <= memory.peak
    assert memory.pss_after_load <= memory.after_load
    assert result.settings.threads == 1 and result.manifest_sha256 == artifact.sha256


def test_both_backends_agree_with_the_eager_model_on_the_host(agent: AgentClient, untrained) -> None:
    import torch

    from groupnl_deploy.images.preprocessing import as_input
    from groupnl_deploy.training.checkpoint import load_model

    checkpoint, model = load_model(untrained.checkpoint)
    with torch.inference_mode():
        logits = model(as_input(torch.from_numpy(IMAGES), checkpoint.mean, checkpoint.std))
    expected = tuple(logits.argmax(1).tolist())
    for artifact, backend in ((untrained.onnx, "onnxruntime"), (untrained.torch, "pytorch")):
        result = whole_bench(agent, request_for(artifact, backend=backend), IMAGES)
        assert result.predictions == expected


def test_the_number_of_iterations_is_a_minimum_too(agent: AgentClient, untrained) -> None:
    result = whole_bench(agent, request_for(untrained.onnx, min_iterations=5000, min_seconds=0.0), IMAGES)
    assert len(result.latencies_ns) == 5000


def test_refusals_leave_the_agent_usable(agent: AgentClient, untrained) -> None:
    """One agent says all of them."""
    for changes, error, words in (
        ({"backend": "tensorflow"}, UsageError, ["no backend “tensorflow”", "onnxruntime"]),
        ({"backend": "pytorch"}, UsageError, ["runs artifacts of format torch, not onnx"]),
        ({"manifest_sha256": "0" * 64}, VerificationFailed, ["is not the manifest that was pushed"]),
        ({"directory": "nowhere"}, VerificationFailed, ["missing"]),
        ({"directory": "/etc"}, UsageError, ["not a path below"]),
        ({"directory": "../other"}, UsageError, ["not a path below"]),
        ({"backend": "null", "arena": False}, UsageError, ["arena would do nothing", "null does not read it"]),
        ({"threads": 1000}, UsageError, ["1000 threads", "cores"]),
    ):
        with pytest.raises(error) as caught:
            whole_bench(agent, request_for(untrained.onnx, **changes), IMAGES)
        for word in words:
            assert word in caught.value.message
        assert agent.ask(Probe()).cores >= 1


def test_images_of_another_shape_are_refused(agent: AgentClient, untrained) -> None:
    with pytest.raises(UsageError, match="shape"):
        whole_bench(agent, request_for(untrained.onnx), IMAGES[:, :, :16])


@pytest.mark.parametrize("damage", ["truncated", "altered", "missing"])
def test_a_damaged_artifact_is_refused_before_it_is_used(agent: AgentClient, untrained_copy, damage: str) -> None:
    path = untrained_copy.onnx.directory / "model.onnx"
    data = bytearray(path.read_bytes())
    if damage == "missing":
        path.unlink()
    elif damage == "truncated":
        path.write_bytes(data[:-1])
    else:
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    words = {"missing": "missing", "truncated": "bytes", "altered": "was altered"}
    for ask in (
        lambda: whole_bench(agent, request_for(untrained_copy.onnx), IMAGES),
        lambda: open_artifact(untrained_copy.onnx.directory, untrained_copy.onnx.sha256),  # as a commit does
    ):
        with pytest.raises((VerificationFailed, DigestMismatch)) as caught:
            ask()
        assert words[damage] in caught.value.message


def test_a_line_that_is_no_message_is_answered_by_a_fault(agent: AgentClient) -> None:
    agent.process.send_line(b"import os")
    with pytest.raises(UsageError, match="did not understand"):
        agent.answer_to(Probe())
    assert agent.ask(Probe()).cores >= 1


def test_two_benchmarks_at_once_on_one_device_are_refused(agent: AgentClient, transport, untrained) -> None:
    """The second would measure the first, and the first the second."""

    def is_refused(message: object) -> None:
        if isinstance(message, BenchBegun):
            with open_agent(transport) as other, pytest.raises(DeviceBusy, match="busy with a benchmark") as caught:
                whole_bench(other, request_for(untrained.onnx), IMAGES)
            assert caught.value.transient and caught.value.exit_code == 1
            raise KeyboardInterrupt

    # The first rests for ten minutes. It is no hold that it measures so long: the window of a backend that computes
    # nothing is full within a second, and on a busy machine the second asks later.
    with pytest.raises(KeyboardInterrupt), open_agent(transport) as first:
        whole_bench(first, request_for(untrained.onnx, idle_s=600.0), IMAGES, is_refused)
    whole_bench(agent, request_for(untrained.onnx), IMAGES)


def raw_agent(tmp_path: Path) -> "subprocess.Popen[bytes]":
    path = tmp_path / "agents" / "agent.pyz"
    path.parent.mkdir()
    (tmp_path / "linked").symlink_to("/")
    path.write_bytes(build_bundle().data)
    command = [sys.executable, str(path)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


@pytest.mark.parametrize("read", [True, False], ids=["all read", "some unread"])
def test_it_ends_when_a_killed_server_resets_its_socket(tmp_path: Path, read: bool) -> None:
    """Some give a command one end of a socket pair, not pipes; closing it with bytes unread is a reset, not an end."""
    path = tmp_path / "agents" / "groupnl-agent.pyz"
    path.parent.mkdir()
    path.write_bytes(build_bundle().data)
    ours, theirs = socket.socketpair()
    child = subprocess.Popen([sys.executable, str(path)], stdin=theirs, stdout=theirs, stderr=subprocess.DEVNULL)
    theirs.close()
    assert ours.recv(1 << 16, 0 if read else socket.MSG_PEEK)
    ours.close()
    assert child.wait(60) == 0


def test_chatter_of_libraries_goes_to_stderr(tmp_path: Path) -> None:
    """`print` and C's stdout are moved aside before anything else runs."""
    process = raw_agent(tmp_path)
    hello = json.loads(process.stdout.readline())
    assert hello["type"] == "hello"
    one, two = (Path(f"/proc/{process.pid}/fd/{number}").readlink() for number in (1, 2))
    process.stdin.close()
    assert one == two
    assert process.wait(60) == 0


@pytest.mark.parametrize(
    ("number", "words"), [(signal.SIGKILL, "was killed"), (signal.SIGILL, "instruction"), (signal.SIGTERM, "143")]
)
def test_an_agent_that_a_signal_ended_says_what_that_means(agent: AgentClient, number: int, words: str) -> None:
    os.kill(agent.process._child.pid, number)
    with pytest.raises(DeviceFault) as caught:
        agent.ask(Probe())
    assert words in caught.value.message


def test_the_null_backend_fills_no_memory(agent: AgentClient, untrained) -> None:
    result = whole_bench(agent, request_for(untrained.onnx, min_seconds=8.0), IMAGES)
    assert len(result.latencies_ns) <= 1_000_000
    assert memory_need(result).peak < memory_need(result).after_load + 30e6
    status = Path(f"/proc/{agent.process._child.pid}/status").read_text()
    highest = 1024 * int(re.search(r"VmHWM:\s+(\d+) kB", status)[1])
    assert highest < memory_need(result).peak + 12e6, "the latencies are kept as text, not as numbers of Python's"


def test_a_manifest_that_does_not_list_the_model_is_refused(agent: AgentClient, untrained_copy) -> None:
    folder = untrained_copy.onnx.directory
    manifest = dataclasses.replace(untrained_copy.onnx.manifest, files=())
    (folder / MANIFEST_FILE).write_bytes(manifest.to_bytes())
    digest = hashlib.sha256(manifest.to_bytes()).hexdigest()
    with pytest.raises(VerificationFailed, match="lists no files in the role model"):
        whole_bench(agent, request_for(untrained_copy.onnx, manifest_sha256=digest), IMAGES)


@pytest.mark.parametrize("wrong", [0.01, float("nan")], ids=["another answer", "no number"])
def test_a_device_that_computes_another_answer_than_the_golden_one_is_not_measured(
    agent: AgentClient, untrained_copy, wrong: float
) -> None:
    artifact = untrained_copy.onnx
    path = artifact.path("golden_output")
    right = np.load(path)["logits"]
    write_arrays(path, {"logits": right + np.float32(wrong * artifact.manifest.parity.output_std)})
    files = tuple(ArtifactFile.in_role(file.role, artifact.path(file.role)) for file in artifact.manifest.files)
    manifest = dataclasses.replace(artifact.manifest, files=files)
    (artifact.directory / MANIFEST_FILE).write_bytes(manifest.to_bytes())
    request = request_for(artifact, manifest_sha256=hashlib.sha256(manifest.to_bytes()).hexdigest())
    with pytest.raises(DeviceFault, match="another answer"):
        whole_bench(agent, dataclasses.replace(request, backend="onnxruntime"), IMAGES)
    null = dataclasses.replace(request, backend="null")  # it computes nothing, so there is nothing to accept
    assert whole_bench(agent, null, IMAGES).predictions
