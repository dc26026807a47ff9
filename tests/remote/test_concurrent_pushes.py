"""Pushes that meet: whatever is reported is whole and in the ledger, whoever is killed when."""

import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
import pytest

from device_agent.manifest import FileDigest
from device_agent.messages.ledger import Deployment, ReadLedger
from device_agent.messages.push import CommitPush, OpenPush, PushFile, SendFile
from device_agent.settings import Settings, Workload
from device_agent.strict import from_json, to_json
from exporters.artifact import Artifact, open_artifact
from groupnl_deploy.bench.bench_device import bench_device
from groupnl_deploy.deploy.inventory import local_device
from groupnl_deploy.deploy.push import push_artifact
from groupnl_deploy.progress import Silence
from groupnl_deploy.remote.agent import open_agent
from groupnl_deploy.remote.connect import connect
from groupnl_deploy.remote.device import Device
from tests.remote.delayed_link import delayed_link

pytestmark = pytest.mark.alone

ROUNDS = 50
LOCAL = pytest.mark.parametrize("device", ["local"], indirect=True)
_DELAY_S = 0.05  # each way: a round trip of 100 ms
_PUSH = """
import sys, time
from pathlib import Path
from device_agent.strict import from_json
from exporters.artifact import open_artifact
from groupnl_deploy.deploy.push import push_artifact
from groupnl_deploy.remote.device import Device
from groupnl_deploy.remote.connect import connect
device, artifact = from_json(Device, sys.argv[1]), open_artifact(Path(sys.argv[2]))
print("ready", flush=True)
time.sleep(float(sys.argv[3]))
with connect(device) as transport:
    print("reported", push_artifact(transport, artifact, wait_s=300).artifact_sha256)
"""


@pytest.fixture(scope="module")
def artifacts(untrained, tmp_path_factory: pytest.TempPathFactory) -> tuple[Artifact, ...]:
    """Eight of one network, told apart by their labels."""
    folder = tmp_path_factory.mktemp("artifacts")
    return tuple(_relabelled(untrained.onnx, folder / f"net-{number}") for number in range(8))


def _relabelled(artifact: Artifact, folder: Path) -> Artifact:
    shutil.copytree(artifact.directory, folder)
    manifest = replace(artifact.manifest, label=folder.name)
    (folder / "manifest.json").write_bytes(manifest.to_bytes())
    return open_artifact(folder)


@pytest.fixture(params=["local", pytest.param("ssh", marks=pytest.mark.sshd)])
def device(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Device]:
    """This machine, or a real OpenSSH server 100 ms away."""
    if request.param == "local":
        yield Device("local", "local", python=sys.executable, root=str(tmp_path / "root"))
        return
    sshd = request.getfixturevalue("sshd")
    with delayed_link(sshd.port, _DELAY_S) as port:
        known = sshd.known_hosts.read_text()
        sshd.known_hosts.write_text(known + known.replace(str(sshd.port), str(port)))
        yield sshd.device(port=port, root=str(tmp_path / "root"))


@dataclass(frozen=True)
class Plan:
    """One round: who pushes what, how long after the first, and who is killed how long after that."""

    numbers: tuple[int, ...]
    offsets_s: tuple[float, ...]
    kill: str
    kill_after_s: float

    @classmethod
    def of(cls, seed: int, longest_s: float) -> "Plan":
        """Equal and different artifacts, two, three and eight at once; every second round somebody is killed."""
        chance = random.Random(seed)
        count = (2, 3, 8)[seed % 3]
        equal = seed // 3 % 2 == 0
        numbers = tuple(0 if equal else number for number in range(count))
        offsets_s = tuple(chance.uniform(0, longest_s) for _ in numbers)
        kill = ("nobody", "host", "agent", "host and agent")[seed % 4]
        return cls(numbers, offsets_s, kill, chance.uniform(0, 2 * longest_s))


@pytest.mark.parametrize(("device", "seed"), [("local", 4), ("ssh", 3)], indirect=["device"])
def test_pushes_that_meet(device: Device, artifacts: tuple[Artifact, ...], seed: int) -> None:
    play(device, artifacts, Plan.of(seed, 2.0))


@pytest.mark.slow
def test_pushes_that_meet_in_fifty_rounds(device: Device, artifacts: tuple[Artifact, ...]) -> None:
    for seed in range(100, 100 + ROUNDS):
        shutil.rmtree(device.root, ignore_errors=True)
        play(device, artifacts, Plan.of(seed, 1.0 if seed % 2 else 5.0))


def play(device: Device, artifacts: tuple[Artifact, ...], plan: Plan) -> None:
    """Push as planned; then look, push again what is missing, and look again."""
    chosen = [artifacts[number] for number in plan.numbers]
    pushes = [start(device, artifact, offset) for artifact, offset in zip(chosen, plan.offsets_s, strict=True)]
    time.sleep(plan.kill_after_s)
    killed = kill(plan.kill, pushes[len(pushes) // 2], Path(device.root))
    reported = {sha256 for push in pushes if (sha256 := outcome(push, may_fail=bool(killed)))}
    assert killed or reported == {artifact.sha256 for artifact in chosen}, plan
    assert reported <= set(whole_artifacts(Path(device.root))), plan
    with connect(device) as transport:
        assert reported <= set(ledger(Path(device.root))), plan
        for artifact in chosen:
            push_artifact(transport, artifact)
        with open_agent(transport) as agent:
            known = {item.artifact_sha256 for item in agent.ask(ReadLedger(device.name)).deployments}
    assert known == {artifact.sha256 for artifact in chosen}, plan
    assert leftovers(Path(device.root)) == [], plan


def start(device: Device, artifact: Artifact, offset_s: float) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", _PUSH, to_json(device), str(artifact.directory), str(offset_s)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def kill(what: str, push: "subprocess.Popen[str]", root: Path) -> int:
    """Kill one pushing host, or an agent of this device, or both, without a warning; how many were hit."""
    hit = 0
    if "host" in what and push.poll() is None:
        push.kill()
        hit += 1
    if "agent" in what:
        for process in running_agents(root)[:1]:
            with suppress(psutil.NoSuchProcess):
                os.kill(process.pid, signal.SIGKILL)
                hit += 1
    return hit


def running_agents(root: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter(["cmdline"]):
        command = process.info["cmdline"] or []
        if command[-1:] and command[-1].startswith(str(root / "agents")):
            found.append(process)
    return found


def outcome(push: "subprocess.Popen[str]", *, may_fail: bool) -> str | None:
    """The id that a push reported; a push that was not disturbed has to report one."""
    out, err = push.communicate(timeout=300)
    if push.returncode == 0:
        return out.split()[-1]
    assert may_fail, err
    assert push.returncode == -signal.SIGKILL or "Error" not in out, err
    return None


def whole_artifacts(root: Path) -> list[str]:
    """What has an artifact's name is whole, always."""
    folder = root / "artifacts"
    return [open_artifact(path).sha256 for path in folder.iterdir()] if folder.is_dir() else []


def ledger(root: Path) -> list[str]:
    return [
        from_json(Deployment, line).artifact_sha256 for line in (root / "deployments.json").read_bytes().splitlines()
    ]


def leftovers(root: Path) -> list[str]:
    parts = [str(path) for path in root.rglob("*.part")]
    return parts + [str(path) for path in (root / "incoming").iterdir()]


@LOCAL
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


@LOCAL
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


@LOCAL
@pytest.mark.parametrize("content", ["", '{"schema_version": 99}\n', '{"schema_version": 1, "deployments": []}'])
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
