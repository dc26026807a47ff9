"""How an agent gets onto a device: one command, whatever is there already, and what is said where it cannot."""

import dataclasses
import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from device_agent.messages.board import BoardFacts, Probe
from device_agent.messages.clock import Ping, Pong
from device_agent.messages.lock import TakeLock
from groupnl_deploy.deploy.inventory import local_device
from groupnl_deploy.errors import DeviceFault, DeviceUnreachable, DiskFull, GroupNLError, VerificationFailed
from groupnl_deploy.remote import boot
from groupnl_deploy.remote.agent import open_agent
from groupnl_deploy.remote.bundle import AgentBundle, build_bundle
from groupnl_deploy.remote.connect import connect
from groupnl_deploy.remote.device import Device
from groupnl_deploy.remote.local import LocalTransport
from groupnl_deploy.remote.transport import SILENCE_S
from tests.remote.weak_link import weak_link


# Every other test over SSH boots an agent so, too.
@pytest.fixture(params=["local", pytest.param("ssh", marks=[pytest.mark.sshd, pytest.mark.slow])])
def device(request: pytest.FixtureRequest, tmp_path: Path) -> Device:
    if request.param == "local":
        return Device("local", "local", python=sys.executable, root=str(tmp_path / "a root"))
    return request.getfixturevalue("sshd").device(root=str(tmp_path / "a root"))


def starts(device: Device) -> str:
    """Start the agent and ask it; the root that it tells."""
    with connect(device) as transport, open_agent(transport) as agent:
        assert agent.ask(Probe()).cores >= 1
        return agent.root


def refused(device: Device) -> GroupNLError:
    with pytest.raises(GroupNLError) as caught:
        starts(device)
    return caught.value


def bundles(root: Path) -> list[str]:
    return sorted(path.name for path in (root / "agents").iterdir())


def test_it_is_sent_once_and_the_root_is_closed_to_others(device: Device) -> None:
    root, bundle = Path(device.root), build_bundle()
    assert starts(device) == device.root
    file = root / "agents" / f"groupnl-agent-{bundle.sha256}.pyz"
    assert file.read_bytes() == bundle.data
    assert root.stat().st_mode & 0o777 == 0o700
    before = file.stat()
    starts(device)
    assert (file.stat().st_ino, file.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert bundles(root) == [file.name]


def test_requests_that_are_sent_ahead_are_answered_once_with_the_bundle_there_and_not(device: Device) -> None:
    first = (Ping(), Probe(), Ping())
    for _ in range(2):
        with connect(device) as transport, open_agent(transport, first) as agent:
            assert [type(agent.answer_to(request)) for request in first] == [Pong, BoardFacts, Pong]
            assert isinstance(agent.ask(Ping()), Pong)


def test_more_requests_than_a_command_holds_are_answered_as_well(device: Device) -> None:
    first = tuple(TakeLock("p" * 1000 + "'; $(exit 3)", 0) for _ in range(200))
    with connect(device) as transport, open_agent(transport, (Ping(), *first)) as agent:
        assert isinstance(agent.answer_to(Ping()), Pong)
        for request in first:
            agent.await_lock(request, lambda other: None)
        assert isinstance(agent.ask(Ping()), Pong)


@pytest.mark.parametrize("damage", [lambda data: data[:-100], lambda data: b"", lambda data: data[:-1] + b"x"])
def test_a_damaged_bundle_is_replaced_before_it_runs(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    bundle, device = build_bundle(), Device("local", "local", python=sys.executable, root=str(tmp_path))
    file = tmp_path / "agents" / f"groupnl-agent-{bundle.sha256}.pyz"
    file.parent.mkdir()
    file.write_bytes(damage(bundle.data))
    starts(device)
    assert file.read_bytes() == bundle.data


def test_what_arrives_as_something_else_is_never_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = build_bundle()
    other = AgentBundle(b"raise SystemExit('was run')" + whole.data, whole.sha256)
    monkeypatch.setattr("groupnl_deploy.remote.agent.build_bundle", lambda: other)
    error = refused(Device("local", "local", python=sys.executable, root=str(tmp_path)))
    assert isinstance(error, VerificationFailed) and "arrived damaged" in error.message
    assert bundles(tmp_path) == []


def test_an_agent_of_another_wire_version_is_not_spoken_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("groupnl_deploy.remote.agent.WIRE_VERSION", 99)
    error = refused(Device("local", "local", python=sys.executable, root=str(tmp_path)))
    assert isinstance(error, DeviceUnreachable) and not error.transient and "this host 99" in error.message


def test_a_bundle_is_not_swept_between_the_look_and_the_start(tmp_path: Path) -> None:
    """From the stub's look on it is held as one that runs, as another version's push asks before it removes it."""
    import fcntl

    with LocalTransport(tmp_path, sys.executable) as transport:
        command = boot.command(transport, build_bundle())
        # The same, but that the agent's place is taken by a program that only waits.
        command[3] = command[3].replace("os.execv(", "exec(input()) or os.execv(")
        process = transport.spawn(command)
        while process.read_line(20) != b"groupnl-boot need":
            pass
        process.send(build_bundle().data)
        process.send_line(b"say('waits')")
        while process.read_line(20) != b"groupnl-boot waits":
            pass
        (file,) = (tmp_path / "agents").glob("*.pyz")
        with file.open("rb") as stream, pytest.raises(BlockingIOError):
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_stub_whose_host_leaves_half_way_leaves_nothing(tmp_path: Path) -> None:
    with LocalTransport(tmp_path, sys.executable) as transport:
        process = transport.spawn(boot.command(transport, build_bundle()))
        process.send(build_bundle().data[:100_000])
        process.stop()
        assert process.exit_code(5) == 1
    assert bundles(tmp_path) == []


def test_a_relative_root_is_below_the_users_home(sshd) -> None:
    for root in (".groupnl", "~/.groupnl"):
        assert starts(sshd.device(root=root)) == f"{sshd.board_home}/.groupnl"


def test_a_missing_python_is_named(device: Device) -> None:
    error = refused(dataclasses.replace(device, python="/opt/none/bin/python"))
    assert isinstance(error, DeviceUnreachable) and not error.transient
    assert "no Python at “/opt/none/bin/python”" in error.message and "--python" in error.remedy


def test_a_python_below_the_home_folder_there_is_found(sshd) -> None:
    home = pwd.getpwuid(os.getuid()).pw_dir
    starts(sshd.device(python=os.path.relpath(sys.executable, home)))


def test_a_program_that_is_no_python_is_refused(device: Device) -> None:
    error = refused(dataclasses.replace(device, python="/bin/false"))
    assert isinstance(error, DeviceUnreachable) and "ended with code 1" in error.message


def test_an_old_python_is_refused(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boot, "_STUB", boot._STUB.replace("< (3, 11)", "< (9, 9)"))
    error = refused(device)
    assert isinstance(error, DeviceUnreachable) and "the agent needs 3.11 or newer" in error.message


@pytest.mark.parametrize(("name", "version"), [("python2.7", "2.7"), ("python3.6", "3.6")])
def test_a_python_of_old_times_gets_as_far_as_telling_its_version(name: str, version: str, tmp_path: Path) -> None:
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = next(iter(sorted(pyenv.glob(f"*/bin/{name}"))), None) or shutil.which(name)
    if found is None or subprocess.run([found, "-c", ""], check=False).returncode:
        pytest.skip(f"needs {name}")
    error = refused(Device("local", "local", python=str(found), root=str(tmp_path)))
    assert f"is Python {version}; the agent needs 3.11 or newer" in error.message


def test_a_module_of_the_users_own_is_not_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command starts in the user's home, where anything may lie."""
    (tmp_path / "home").mkdir()
    for name in ("fcntl", "hashlib", "errno", "json"):
        (tmp_path / "home" / f"{name}.py").write_text("raise SystemExit('imported')")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    starts(local_device())


@pytest.mark.parametrize("lies", ["file", "link to nowhere"])
def test_a_root_that_is_no_folder_is_said_so(device: Device, lies: str) -> None:
    root = Path(device.root)
    if lies == "file":
        root.write_text("x")
    else:
        root.symlink_to("nowhere")
    error = refused(device)
    assert type(error) is DeviceFault and "cannot take the agent" in error.message and "link to nowhere" in error.remedy


def test_a_folder_that_the_user_may_not_make_is_said_so(device: Device) -> None:
    """The kernel's own: not even root may."""
    error = refused(dataclasses.replace(device, root="/sys/groupnl"))
    assert type(error) is DeviceFault and "cannot take the agent" in error.message and "--root" in error.remedy


@pytest.mark.root
@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        ("size=100k", DiskFull, "kB are free"),
        ("nr_inodes=3", DiskFull, "no inodes are free"),
        ("ro", DeviceFault, "read-only file system"),
    ],
)
def test_a_disk_that_cannot_take_the_agent_is_said_so(
    device: Device, mounted: Callable[[str], Path], options: str, kind: type[GroupNLError], words: str
) -> None:
    root = mounted(options)
    error = refused(dataclasses.replace(device, root=str(root / "root")))
    assert type(error) is kind and words in error.message and not error.transient
    assert list(root.rglob("*.p*")) == []


@pytest.mark.slow
@pytest.mark.sshd
@pytest.mark.parametrize("transport", ["ssh", "openssh"])
def test_over_a_slow_link_the_agent_may_arrive_for_longer_than_silence_is_waited_for(sshd, transport: str) -> None:
    with weak_link(sshd.port, 0.05, len(build_bundle().data) / (2 * SILENCE_S)) as link:
        sshd.known_hosts.write_text(f"[127.0.0.1]:{link.port} {sshd.host_key_line}\n")
        starts(dataclasses.replace(sshd.device(port=link.port), transport=transport))


_ANOTHER_IS_AS_FAST = """
looks = os.stat
def looks_later(path, *more, **named):
    if path == bundle and os.path.lexists(bundle):
        os.stat = looks
        open(path + ".other", "wb").write(open(path, "rb").read())
        os.replace(path + ".other", path)
    return looks(path, *more, **named)
os.stat = looks_later
def flush("""


def test_two_that_put_it_there_at_once_both_start_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another's copy takes the place of ours between our look at it and the start."""
    monkeypatch.setattr(boot, "_STUB", boot._STUB.replace("def flush(", _ANOTHER_IS_AS_FAST, 1))
    starts(Device("local", "local", python=sys.executable, root=str(tmp_path)))
