"""A push that was cut short, and the next one of the same content: nothing is lost, and nothing is sent again."""

import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from device_agent.messages.push import MARK_BYTES
from exporters.artifact import Artifact, open_artifact
from groupnl_deploy.deploy.push import push_artifact
from groupnl_deploy.errors import DeviceFault, DiskFull, GroupNLError
from groupnl_deploy.progress import Silence
from groupnl_deploy.remote.agent import open_agent
from groupnl_deploy.remote.connect import connect
from groupnl_deploy.remote.device import Device
from groupnl_deploy.remote.transport import Process
from tests.rigs.counted_transport import CountedTransport
from tests.rigs.large_artifact import large_artifact

SIZE_BYTES = 3 * MARK_BYTES + 1_000_000
WORDS_BYTES = 8_000  # requests, frames' headers and the end of a frame that was cut


@pytest.fixture(scope="module")
def artifact(untrained, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return large_artifact(untrained.onnx, tmp_path_factory.mktemp("large") / "net", SIZE_BYTES)


@pytest.fixture
def local(tmp_path: Path) -> Device:
    return Device("local", "local", python=sys.executable, root=str(tmp_path / "root"))


def there(device: Device, artifact: Artifact) -> dict[str, bytes]:
    """What has arrived of each file."""
    folder = Path(device.root) / "incoming" / artifact.sha256
    return {path.name: path.read_bytes() for path in folder.iterdir()} if folder.is_dir() else {}


def missing_bytes(device: Device, artifact: Artifact) -> int:
    """What has not; all that is there has to be what the files begin with."""
    arrived = there(device, artifact)
    for path in artifact.files:
        assert path.read_bytes().startswith(arrived.get(path.name, b"")), path.name
    return sum(path.stat().st_size for path in artifact.files) - sum(map(len, arrived.values()))


def warm(device: Device) -> Device:
    """Have the agent there, so that its bytes are not counted below."""
    with connect(device) as transport, open_agent(transport):
        return device


def interrupted(device: Device, artifact: Artifact, after_bytes: int, act: Callable[[Process], object]) -> None:
    """Begin a push, and do something once so many bytes were sent."""
    with connect(device) as transport, pytest.raises((GroupNLError, KeyboardInterrupt)):
        push_artifact(CountedTransport(transport, after_bytes, act), artifact)  # type: ignore[arg-type]
    assert not (Path(device.root) / "artifacts").exists()


def pushed(device: Device, artifact: Artifact) -> int:
    """Push to the end; how many bytes were sent."""
    with connect(device) as transport:
        counted = CountedTransport(transport)
        push_artifact(counted, artifact)  # type: ignore[arg-type]
    assert open_artifact(Path(device.root) / "artifacts" / artifact.sha256).sha256 == artifact.sha256
    assert there(device, artifact) == {}
    return counted.sent_bytes


def kill_agent(process: Process) -> None:
    os.kill(process._child.pid, signal.SIGKILL)  # type: ignore[attr-defined]


def interrupt(process: Process) -> None:
    raise KeyboardInterrupt


def cut_link(process: Process) -> None:
    process.stop()


def test_each_push_sends_what_is_missing_and_nothing_else(local: Device, artifact: Artifact) -> None:
    warm(local)
    first = [(1, kill_agent), (900_000, cut_link), (3_000_000, interrupt)]
    for after_bytes, act in (*first, (2_000_000, kill_agent), (10**7, cut_link)):
        before = missing_bytes(local, artifact)
        interrupted(local, artifact, min(after_bytes, before - 200_000), act)
        assert missing_bytes(local, artifact) <= before
    missing = missing_bytes(local, artifact)
    assert missing < SIZE_BYTES // 2
    assert missing <= pushed(local, artifact) <= missing + WORDS_BYTES


@pytest.mark.sshd
def test_a_server_that_dies_in_a_push_loses_nothing_that_has_arrived(sshd: Any, artifact: Artifact) -> None:
    device = warm(sshd.device())

    def kill(process: Process) -> None:
        for child in psutil.Process(sshd.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                if child.name().startswith("sshd"):
                    child.kill()

    interrupted(device, artifact, SIZE_BYTES // 2, kill)
    missing = missing_bytes(device, artifact)
    assert missing < SIZE_BYTES
    assert pushed(device, artifact) <= missing + WORDS_BYTES


def test_a_part_that_was_altered_costs_what_lies_behind_the_mark_before(local: Device, artifact: Artifact) -> None:
    interrupted(warm(local), artifact, SIZE_BYTES - 500_000, kill_agent)
    (model,) = (Path(local.root) / "incoming" / artifact.sha256).glob("model*")
    data = bytearray(model.read_bytes())
    assert len(data) > MARK_BYTES + 1000  # of what was sent, what was on its way is lost
    data[MARK_BYTES + 5] ^= 1
    model.write_bytes(data)
    others = sum(path.stat().st_size for path in artifact.files) - SIZE_BYTES
    assert SIZE_BYTES - MARK_BYTES <= pushed(local, artifact) <= SIZE_BYTES - MARK_BYTES + others + WORDS_BYTES


def test_a_part_longer_than_the_file_is_cut_and_what_is_no_file_makes_way(local: Device, artifact: Artifact) -> None:
    folder = Path(warm(local).root) / "incoming" / artifact.sha256
    names = [path.name for path in artifact.files]
    folder.mkdir(parents=True)
    model = artifact.manifest.file("model").name
    (folder / model).write_bytes((artifact.directory / model).read_bytes() + b"more")
    (folder / "manifest.json").symlink_to(artifact.directory / "manifest.json")
    (folder / next(name for name in names if name not in (model, "manifest.json"))).mkdir()
    (folder / "unlisted").write_bytes(b"x")
    assert pushed(local, artifact) < SIZE_BYTES - 3 * MARK_BYTES + 2_000_000
    kept = Path(local.root) / "artifacts" / artifact.sha256
    assert sorted(path.name for path in kept.iterdir()) == sorted(names)
    assert not any(path.is_symlink() for path in kept.iterdir())
    assert (artifact.directory / "manifest.json").exists()


def test_a_second_push_of_the_same_content_waits_and_finds_it_there(local: Device, artifact: Artifact) -> None:
    said: list[str] = []
    second: list[int] = []

    class Listening(Silence):
        def note(self, text: str) -> None:
            said.append(text)

    def push_too() -> None:
        with connect(local) as transport:
            counted = CountedTransport(transport)
            push_artifact(counted, artifact, reporter=Listening())  # type: ignore[arg-type]
        second.append(counted.sent_bytes)

    warm(local)
    other = threading.Thread(target=push_too)

    def at_half(done: int, total: int) -> None:
        if done > total // 2 and other.ident is None:
            other.start()
            while not said and other.is_alive():
                other.join(0.02)

    with connect(local) as transport:
        first = push_artifact(transport, artifact, at_half)
    other.join(60)
    assert len(said) == 1 and "busy with a push of net" in said[0]
    assert second and second[0] < WORDS_BYTES
    assert first.previous is None


@pytest.mark.root
@pytest.mark.parametrize(
    ("options", "kind", "words", "remedy"),
    [
        (
            "size=4m",
            DiskFull,
            r"1\d\.\d MB more are needed below .*, 3\.\d MB are free on .* \(tmpfs\)",
            "device prune",
        ),
        ("nr_inodes=8", DiskFull, r"no inodes left .*: [0-3] are free on .* \(tmpfs\)", "df -i"),
    ],
)
def test_a_disk_without_room_is_told_before_a_byte_is_sent(
    local: Device,
    artifact: Artifact,
    mounted: Callable[[str], Path],
    options: str,
    kind: type[GroupNLError],
    words: str,
    remedy: str,
) -> None:
    device = warm(Device("local", "local", python=sys.executable, root=str(mounted(options) / "root")))
    with connect(device) as transport, pytest.raises(kind, match=words) as caught:
        counted = CountedTransport(transport)
        push_artifact(counted, artifact)  # type: ignore[arg-type]
    assert remedy in caught.value.remedy and not caught.value.transient
    assert counted.sent_bytes < WORDS_BYTES and there(device, artifact) == {}


@pytest.mark.root
def test_a_file_system_that_became_read_only_is_named_and_its_remedy_helps(
    artifact: Artifact, mounted: Callable[[str], Path]
) -> None:
    disk = mounted("size=40m")
    device = warm(Device("local", "local", python=sys.executable, root=str(disk / "root")))
    interrupted(device, artifact, 5_000_000, kill_agent)
    os.system(f"mount -o remount,ro {disk}")
    with connect(device) as transport, pytest.raises(DeviceFault, match=r"mounted read-only: .*small") as caught:
        push_artifact(transport, artifact)
    command = caught.value.remedy.split("`")[1]
    assert os.system(command.removeprefix("sudo ")) == 0
    missing = missing_bytes(device, artifact)
    assert pushed(device, artifact) <= missing + WORDS_BYTES


@pytest.mark.root
def test_a_disk_that_fills_up_in_the_middle_stops_the_sending_at_once(
    untrained, tmp_path: Path, mounted: Callable[[str], Path]
) -> None:
    artifact = large_artifact(untrained.onnx, tmp_path / "larger", 60_000_000)
    disk = mounted("size=70m")
    device = Device("local", "local", python=sys.executable, root=str(disk / "root"))
    done_bytes: list[int] = []

    def fill(done: int, total: int) -> None:
        done_bytes.append(done)
        if done > 5_000_000 and not (disk / "other").exists():
            (disk / "other").write_bytes(bytes(50_000_000))

    with connect(device) as transport, pytest.raises(DiskFull, match=r"disk there is full.* are free on .*tmpfs"):
        push_artifact(transport, artifact, fill)
    assert done_bytes[-1] < 45_000_000
    (disk / "other").unlink()
    missing = missing_bytes(device, artifact)
    assert missing < 60_000_000
    assert pushed(device, artifact) <= missing + WORDS_BYTES
