"""The libraries on a device: only those that the agent knows get in, whole, and they stay while they may be needed."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from device_agent.messages.bench import BenchRequest
from device_agent.messages.native import AskNative, SendLibrary
from device_agent.native_store import LOADER, sweep_libraries
from device_agent.settings import Settings, Workload
from device_agent.sweep import sweep
from exporters.artifact import Artifact
from groupnl_deploy.deploy.push import push_artifact
from groupnl_deploy.errors import NoNativeLibrary, UsageError, VerificationFailed
from groupnl_deploy.native.libraries import LibraryFile
from groupnl_deploy.progress import Silence
from groupnl_deploy.remote.agent import open_agent
from groupnl_deploy.remote.client import AgentClient
from groupnl_deploy.remote.connect import connect
from groupnl_deploy.remote.local import LocalTransport
from tests.device_agent.whole_bench import whole_bench
from tests.rigs.native_graphs import native_artifact

NO_IMAGES = np.zeros((0, 3, 1, 1), np.uint8)
WORKLOAD = Workload(idle_s=0.0, warmup_s=0.0, min_iterations=3, min_seconds=0.0)


@pytest.fixture
def transport(tmp_path: Path) -> Iterator[LocalTransport]:
    with LocalTransport(tmp_path / "board", sys.executable) as transport:
        yield transport


@pytest.fixture
def agent(transport: LocalTransport) -> Iterator[AgentClient]:
    """Holds the lock."""
    with open_agent(transport) as agent:
        agent.take_lock("a test", 0, lambda other: None)
        yield agent


@pytest.fixture
def artifact(tmp_path: Path) -> Artifact:
    return native_artifact(tmp_path / "native")


def lying(transport: LocalTransport) -> list[str]:
    """What lies with the libraries."""
    return sorted(path.name for path in (Path(transport.root) / "native").glob("*"))


def send(agent: AgentClient, sha256: str, data: bytes) -> None:
    request = SendLibrary(sha256)
    agent.send(request)
    agent.send_bytes([data])
    agent.answer_to(request)


@pytest.mark.usefixtures("native_cache")
def test_a_library_gets_its_name_once_it_is_whole(
    transport: LocalTransport, agent: AgentClient, native_library: LibraryFile, artifact: Artifact
) -> None:
    ask = AskNative(artifact.manifest.native, 1)
    assert agent.ask(ask).state == "missing" and agent.ask(ask).library == native_library.record
    data = native_library.path.read_bytes()
    for damaged, refusal in (
        (data[:-1], UsageError),
        (data + b"x", UsageError),
        (data[:-1] + bytes([data[-1] ^ 1]), VerificationFailed),
        (b"", UsageError),
    ):
        with pytest.raises(refusal):
            send(agent, native_library.record.sha256, damaged)
        assert lying(transport) == []
    send(agent, native_library.record.sha256, data)
    assert lying(transport) == [native_library.record.sha256] and agent.ask(ask).state == "whole"


@pytest.mark.usefixtures("native_cache")
def test_a_folder_in_its_place_is_replaced(
    transport: LocalTransport, agent: AgentClient, native_library: LibraryFile, artifact: Artifact
) -> None:
    (Path(transport.root) / "native" / native_library.record.sha256 / "inside").mkdir(parents=True)
    ask = AskNative(artifact.manifest.native, 1)
    assert agent.ask(ask).state == "altered"
    send(agent, native_library.record.sha256, native_library.path.read_bytes())
    assert agent.ask(ask).state == "whole"


@pytest.mark.usefixtures("native_cache")
def test_one_that_the_agent_does_not_know_is_refused(transport: LocalTransport, agent: AgentClient) -> None:
    with pytest.raises(UsageError, match="knows no library 000000000000"):
        send(agent, "0" * 64, b"code")
    assert lying(transport) == []


@pytest.mark.usefixtures("native_cache")
def test_none_is_placed_without_the_devices_lock(transport: LocalTransport, native_library: LibraryFile) -> None:
    with open_agent(transport) as agent, pytest.raises(UsageError, match="lock was not taken"):
        send(agent, native_library.record.sha256, native_library.path.read_bytes())
    assert lying(transport) == []


@pytest.mark.slow
def test_a_push_builds_the_library_that_the_installation_has_not(transport: LocalTransport, artifact: Artifact) -> None:
    """In a checkout: once the agent has said what machine it runs on, for which these settings have none."""
    told: list[str] = []

    class Telling(Silence):
        def note(self, text: str) -> None:
            told.append(text)

    push_artifact(transport, artifact, reporter=Telling())
    assert len(told) == 1 and told[0].startswith("Building the library of native operators")
    assert [name for name in lying(transport) if len(name) != 64] == [LOADER] and len(lying(transport)) == 2


def test_an_installation_without_libraries_says_so(agent: AgentClient, artifact: Artifact) -> None:
    """These settings have no library, and the agent's bundle knows none."""
    with pytest.raises(NoNativeLibrary, match="has no library of native operators for") as caught:
        agent.ask(AskNative(artifact.manifest.native, 1))
    assert "native/build.py --target" in caught.value.remedy and "--optimize full" in caught.value.remedy


@pytest.mark.usefixtures("native_cache")
@pytest.mark.parametrize(
    ("damage", "words"), [("gone", "is missing"), pytest.param("altered", "was altered", marks=pytest.mark.slow)]
)
def test_a_benchmark_without_its_library_ends_before_its_first_phase(
    transport: LocalTransport, native_library: LibraryFile, artifact: Artifact, damage: str, words: str
) -> None:
    deployment = push_artifact(transport, artifact)
    library = Path(transport.root) / "native" / native_library.record.sha256
    library.unlink()
    if damage == "altered":
        library.write_bytes(bytes(native_library.record.bytes))
    request = BenchRequest(deployment.directory, artifact.sha256, "onnxruntime", Settings(1, workload=WORKLOAD), 0, 0.0)
    seen: list[object] = []
    with open_agent(transport) as agent, pytest.raises(VerificationFailed, match=words):
        whole_bench(agent, request, NO_IMAGES, seen.append)
    assert seen == []


@pytest.mark.slow
@pytest.mark.sshd
@pytest.mark.usefixtures("native_cache")
def test_over_ssh_the_library_is_sent_once_and_runs(
    sshd: Any, artifact: Artifact, native_library: LibraryFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    with connect(sshd.device()) as transport:
        directory = push_artifact(transport, artifact).directory
        monkeypatch.setattr(AgentClient, "send_bytes", None)  # so no file is sent any more
        push_artifact(transport, artifact)
        request = BenchRequest(directory, artifact.sha256, "onnxruntime", Settings(1, workload=WORKLOAD), 0, 0.0)
        with open_agent(transport) as agent:
            ran = whole_bench(agent, request, NO_IMAGES).native
    assert ran is not None and ran.library_sha256 == native_library.record.sha256


@pytest.mark.usefixtures("native_cache")
def test_libraries_stay_while_an_artifact_may_need_them_and_go_with_the_last(
    transport: LocalTransport, untrained, artifact: Artifact, native_library: LibraryFile
) -> None:
    older = Path(transport.root) / "native" / "of-an-older-version"
    push_artifact(transport, artifact)
    older.write_text("x")
    push_artifact(transport, untrained.onnx)
    assert lying(transport) == sorted([native_library.record.sha256, LOADER, older.name])
    shutil.rmtree(Path(transport.root) / "artifacts" / artifact.sha256)
    push_artifact(transport, untrained.torch)
    assert lying(transport) == [native_library.record.sha256]


def test_a_manifest_that_cannot_be_read_keeps_them(tmp_path: Path) -> None:
    (tmp_path / "native").mkdir()
    (tmp_path / "native" / "library").write_text("x")
    manifest = tmp_path / "artifacts" / "a" / "manifest.json"
    manifest.parent.mkdir(parents=True)
    for text in ("no JSON", '{"native": {}}', "[]"):
        manifest.write_text(text)
        sweep_libraries(tmp_path, lambda path: path.unlink())
        assert (tmp_path / "native" / "library").exists(), text
    manifest.write_text('{"native": null}')
    sweep_libraries(tmp_path, lambda path: path.unlink())
    assert not (tmp_path / "native" / "library").exists()


def test_what_lies_behind_a_link_is_left_alone(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("x")
    root = tmp_path / "root"
    root.mkdir()
    (root / "native").symlink_to(outside)
    sweep(root, root / "agents" / "mine.pyz")
    assert (outside / "precious").read_text() == "x"
