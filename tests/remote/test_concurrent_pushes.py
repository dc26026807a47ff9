"""Pushes and benchmarks that meet, and what a push does with what others left."""

import hashlib
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from device_agent.file_digest import FileDigest
from device_agent.messages.ledger import ReadLedger
from device_agent.messages.push import CommitPush, OpenPush, PushFile, SendFile
from device_agent.settings import Settings, Workload
from exporters.artifact import Artifact, open_artifact
from groupnl_deploy.bench.bench_device import bench_device
from groupnl_deploy.deploy.inventory import local_device
from groupnl_deploy.deploy.push import push_artifact
from groupnl_deploy.progress import Silence
from groupnl_deploy.remote.agent import open_agent
from groupnl_deploy.remote.connect import connect
from groupnl_deploy.remote.device import Device

pytestmark = pytest.mark.alone


@pytest.fixture(scope="module")
def artifacts(untrained, tmp_path_factory: pytest.TempPathFactory) -> tuple[Artifact, ...]:
    """Three of one network, told apart by their labels."""
    folder = tmp_path_factory.mktemp("artifacts")
    return tuple(_relabelled(untrained.onnx, folder / f"net-{number}") for number in range(3))


def _relabelled(artifact: Artifact, folder: Path) -> Artifact:
    shutil.copytree(artifact.directory, folder)
    manifest = replace(artifact.manifest, label=folder.name)
    (folder / "manifest.json").write_bytes(manifest.to_bytes())
    return open_artifact(folder)


@pytest.fixture
def device(sshd) -> Device:
    return sshd.device()


def leftovers(root: Path) -> list[str]:
    parts = [str(path) for path in root.rglob("*.part")]
    return parts + [str(path) for path in (root / "incoming").iterdir()]


def test_a_push_waits_for_a_benchmark_and_says_so(device: Device, artifacts: tuple[Artifact, ...]) -> None:
    said: list[str] = []
    with connect(device) as transport, open_agent(transport) as benching:
        benching.take_lock("a benchmark of net from laptop", 0, lambda other: None)

        class Freeing(Silence):
            def note(self, text: str) -> None:
                said.append(text)
                benching.process.stop()

        pushed = push_artifact(transport, artifacts[0], wait_s=60, reporter=Freeing())
        assert pushed.artifact_sha256 == artifacts[0].sha256
    assert len(said) == 1 and "busy with a benchmark of net from laptop" in said[0] and "up to 60 s" in said[0]


def test_what_a_dead_push_left_is_swept_by_the_next(device: Device, artifacts: tuple[Artifact, ...]) -> None:
    root = Path(device.root)
    dead = root / "incoming" / "of-an-older-version"
    dead.mkdir(parents=True)
    (dead / "model.onnx").write_bytes(bytes(1000))
    old = root / "agents" / f"groupnl-agent-{hashlib.sha256(b'old').hexdigest()}.pyz"
    old.parent.mkdir(exist_ok=True)
    old.write_bytes(b"old")
    old.with_name(f"{old.name}.0123456789ab.part").write_bytes(b"o")
    with connect(device) as transport:
        push_artifact(transport, artifacts[1])
    assert leftovers(root) == []
    assert len(list((root / "agents").glob("*.pyz"))) == 1


@pytest.mark.parametrize("content", ["", '{"schema_version": 99}\n'])
def test_a_push_mends_the_ledger(device: Device, artifacts: tuple[Artifact, ...], content: str) -> None:
    with connect(device) as transport:
        push_artifact(transport, artifacts[0])
        push_artifact(transport, artifacts[1])
        (Path(device.root) / "deployments.json").write_text(content)
        with open_agent(transport) as agent:
            before = agent.ask(ReadLedger(device.name))
        assert before.damage is not None and len(before.deployments) == 2
        push_artifact(transport, artifacts[2])
        with open_agent(transport) as agent:
            after = agent.ask(ReadLedger(device.name))
    assert after.damage is None
    assert [item.label for item in after.deployments] == ["net-0", "net-1", "net-2"]


class _OnWaiting(Silence):
    """Does something when a bench says that it waits."""

    def __init__(self, act: Callable[[], None]) -> None:
        self._act = act

    def note(self, text: str) -> None:
        """Hear of what happens."""
        if "is busy with" in text:
            self._act()


def test_a_benchmark_of_the_newest_takes_what_it_waited_for(artifacts: tuple[Artifact, ...], tmp_path: Path) -> None:
    device = local_device()
    workload = Workload(images=2, idle_s=0, warmup_s=0, min_iterations=3, min_seconds=0)
    with connect(device) as transport:
        push_artifact(transport, artifacts[0])
        with open_agent(transport) as pushing:
            pushing.take_lock("a push of net-1 from laptop", 0, lambda other: None)

            def finish() -> None:
                files = tuple(PushFile(**vars(FileDigest.of(path))) for path in artifacts[1].files)
                pushing.ask(OpenPush(artifacts[1].sha256, files))
                for path in artifacts[1].files:
                    pushing.send(request := SendFile(path.name, 0))
                    pushing.send_bytes([path.read_bytes()])
                    pushing.answer_to(request)
                pushing.ask(CommitPush(device.name, "2026-11-26T12:00:00+00:00"))
                pushing.process.stop()

            run, _ = bench_device(
                device.name,
                "null",
                artifact=None,
                settings=Settings(1, workload=workload),
                plan=None,
                out=tmp_path / "run",
                reporter=_OnWaiting(finish),
            )
    assert run.manifest.label == "net-1"
