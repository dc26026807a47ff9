"""A backend's environment on a device: by the real pip from wheels of our own making, whole or as it was before."""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from device_agent.command import Done
from device_agent.environment_build import NotProvisioned, _refused, require_loads
from device_agent.environments import python_of
from device_agent.machine import Machine
from device_agent.messages.provision import BuildEnvironment, OpenEnvironment
from device_agent.strict import to_json
from groupnl_deploy.cli.main import app
from groupnl_deploy.deploy import provision as provisioning
from groupnl_deploy.deploy.inventory import add_device
from groupnl_deploy.deploy.provision import Wish, provision, require_target
from groupnl_deploy.deploy.wheelhouse import Wheelhouse, _Manifest, read_wheelhouse
from groupnl_deploy.deploy.wheels import WheelSet
from groupnl_deploy.errors import DeviceFault, UsageError
from groupnl_deploy.progress import Silence
from groupnl_deploy.remote.agent import open_agent
from groupnl_deploy.remote.local import LocalTransport
from tests.rigs.made_wheels import installed_pip, make_wheel

PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"

MakeWheelhouse = Callable[..., Wheelhouse]


@pytest.fixture
def make_wheelhouse(tmp_path: Path) -> MakeWheelhouse:
    """A wheelhouse for this machine; `code` is what its onnxruntime does when it is imported."""

    def make(version: str = "1.0", code: str = "", **changes: Any) -> Wheelhouse:
        folder = tmp_path / f"wheels-{len(list(tmp_path.glob('wheels-*')))}"
        folder.mkdir()
        wheels = (make_wheel(folder, "numpy", "2.0"), make_wheel(folder, "onnxruntime", version, code=code))
        fields: dict[str, Any] = {"target": "x86", "backend": "onnxruntime", "python": PYTHON, "unpacked_bytes": 1000}
        manifest = _Manifest(WheelSet(**(fields | changes), wheels=wheels), installed_pip(folder))
        (folder / "wheelhouse.json").write_text(to_json(manifest))
        return read_wheelhouse(folder)

    return make


@pytest.fixture
def board(tmp_path: Path) -> LocalTransport:
    return LocalTransport(tmp_path / "board", sys.executable, "board")


def wish(wheelhouse: Wheelhouse, **changes: Any) -> Wish:
    fields: dict[str, Any] = {"backend": "onnxruntime", "uncertified": True, "offline": wheelhouse.folder}
    return Wish(**(fields | changes))


def environments(board: LocalTransport) -> list[str]:
    return sorted(path.name for path in Path(board.root, "environments").iterdir())


def version_of(board: LocalTransport) -> str:
    python = python_of(Path(board.root), "onnxruntime")
    done = board.run([python, "-c", "import onnxruntime; print(onnxruntime.__version__)"])
    return done.stdout.decode().strip()


DIES = "import os, signal; os.kill(os.getpid(), signal.SIGILL)"


def test_a_package_that_does_not_load_is_named_with_python_s_words() -> None:
    with pytest.raises(NotProvisioned, match="no_such_module was installed and does not load: ModuleNotFoundError"):
        require_loads(Path(sys.executable), "no_such_module")


def test_a_package_that_never_ends_its_import_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("device_agent.environment_build._LOAD_S", 0.001)
    with pytest.raises(NotProvisioned, match="json was installed, and was not imported within 0 s"):
        require_loads(Path(sys.executable), "json")


@pytest.mark.slow
def test_an_environment_is_made_kept_and_replaced_by_one_that_loads(
    board: LocalTransport, make_wheelhouse: MakeWheelhouse
) -> None:
    first, second = make_wheelhouse("1.0"), make_wheelhouse("1.1")
    with board:
        assert python_of(Path(board.root), "onnxruntime") == sys.executable
        made = provision(board, wish(first), Silence(), 0)
        assert made.built is not None and not made.certified
        assert made.built.versions == {"numpy": "2.0", "onnxruntime": "1.0"}
        assert version_of(board) == "1.0"
        assert not list(Path(board.root, "incoming").iterdir())

        assert provision(board, wish(first), Silence(), 0).built is None  # it is there, and loads
        (_, before) = environments(board)

        provision(board, wish(second), Silence(), 0)
        assert version_of(board) == "1.1"
        assert len(environments(board)) == 2 and before not in environments(board)

        before = environments(board)
        with pytest.raises(DeviceFault, match="its import met an instruction that its processor does not have"):
            provision(board, wish(make_wheelhouse("1.2", DIES)), Silence(), 0)
        assert environments(board) == before and version_of(board) == "1.1"

        with open_agent(board, backend="onnxruntime") as agent:
            pid = agent.process._child.pid  # type: ignore[attr-defined]
            program = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].decode()
        assert program == str(Path(board.root, "environments/onnxruntime/bin/python").absolute())


@pytest.mark.slow
def test_a_host_that_leaves_takes_the_build_with_it(
    board: LocalTransport, make_wheelhouse: MakeWheelhouse, tmp_path: Path
) -> None:
    pid_file = tmp_path / "pid"
    code = f"import os, time; open({str(pid_file)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    wheelhouse = make_wheelhouse("1.0", code)
    with board:
        with open_agent(board) as agent:
            agent.take_lock("a test", 0, lambda other: None)
            opened = agent.ask(_opening(wheelhouse))
            provisioning._send(agent, wheelhouse, opened.held, Silence())
            agent.send(BuildEnvironment())
            while not pid_file.exists() or not pid_file.read_text():
                time.sleep(0.05)
        _await_end(int(pid_file.read_text()))
        assert [name for name in environments(board) if name == "onnxruntime"] == []
        with open_agent(board) as agent:
            agent.take_lock("a test", 10, lambda other: None)
            opened = agent.ask(_opening(wheelhouse))
            assert {one.name for one in opened.held} == {file.name for file in wheelhouse.files}
        assert environments(board) == []


def _opening(wheelhouse: Wheelhouse) -> OpenEnvironment:
    announced = provisioning._announced(wheelhouse)
    return OpenEnvironment("onnxruntime", wheelhouse.set.requirements, None, announced)


def _await_end(pid: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    pytest.fail("the build's child lives on")


@pytest.mark.slow
def test_a_board_with_an_index_downloads_by_itself(board: LocalTransport, index: Path) -> None:
    make_wheel(index, "numpy", "2.0")
    make_wheel(index, "onnxruntime", "1.0")
    with board:
        made = provision(board, Wish("onnxruntime", uncertified=True), Silence(), 0)
        assert made.built is not None and made.built.versions == {"numpy": "2.0", "onnxruntime": "1.0"}
        assert version_of(board) == "1.0"


@pytest.mark.parametrize(
    ("made", "wanted", "said"),
    [
        ({}, {"uncertified": False}, "Nobody has run the wheels in"),
        ({"python": "3.99"}, {}, f"is for Python 3.99, and board has to have {PYTHON}"),
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in (
                ({"target": "rpi4"}, {}, "is for the target rpi4, and board has to have x86"),
                ({}, {"version": "1.24"}, "has onnxruntime 1.0, not 1.24"),
                ({}, {"backend": "pytorch"}, "is for the backend onnxruntime, and board has to have pytorch"),
            )
        ),
    ],
)
def test_a_wheelhouse_for_something_else_is_refused(
    board: LocalTransport, make_wheelhouse: MakeWheelhouse, made: Any, wanted: Any, said: str
) -> None:
    with board, pytest.raises(UsageError) as caught:
        provision(board, wish(make_wheelhouse(**made), **wanted), Silence(), 0)
    assert said in caught.value.message
    assert "without --uncertified" not in caught.value.remedy  # nothing is certified for this target


@pytest.mark.parametrize(
    ("machine", "said"),
    [
        (Machine("linux", "aarch64", 32, "glibc", "2.36", 0), "a 32-bit userland"),
        (Machine("linux", "aarch64", 64, "musl", None, 0), "the C library musl"),
        (Machine("linux", "riscv64", 64, "glibc", "2.36", 0), "linux on riscv64"),
    ],
)
def test_a_machine_without_wheels_is_refused(machine: Machine, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        require_target(machine, "board")
    assert said in caught.value.message


# What pip 23 and 26 and Debian's Python said where it was so.
SAID = {
    "no_network": "WARNING: Retrying: NewConnectionError('<pip._vendor.urllib3>: Failed to establish a new connection: "
    "[Errno -3] Temporary failure in name resolution')\nERROR: No matching distribution found for numpy==2.4.6",
    "disk_full": "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device",
    "wrong_wheels": "ERROR: Could not find a version that satisfies the requirement numpy==2.4.6\n"
    "ERROR: No matching distribution found for numpy==2.4.6",
    "digest_mismatch": "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.",
    "not_provisioned": "Traceback\nerror: something else",
}


@pytest.mark.parametrize("code", SAID)
def test_what_pip_says_becomes_a_cause_and_a_remedy(code: str) -> None:
    refused = _refused("pip on the board failed", Done(1, SAID[code]), Path("/"))
    assert refused.code == code
    assert refused.message.endswith((".", "else"))


def test_too_little_room_is_said_over_ssh_before_anything_is_sent(sshd, make_wheelhouse: MakeWheelhouse) -> None:
    device = add_device(sshd.device("pi"))
    wheels = str(make_wheelhouse(unpacked_bytes=10**15).folder)
    done = CliRunner().invoke(app, ["device", "provision", "pi", "--offline", wheels, "--uncertified"])
    assert done.exit_code == 1
    assert "The disk there is full: 1100000" in " ".join(done.output.split())
    assert list(Path(device.root, "environments").iterdir()) == []
    refused = CliRunner().invoke(app, ["device", "provision", "local"])
    assert refused.exit_code == 2 and "this machine" in refused.output
