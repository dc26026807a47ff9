"""`groupnl device doctor` on this machine, over a real OpenSSH server, and of a board that is off."""

import json
import sys
import venv
from importlib.util import find_spec
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from device_agent.backend_table import BACKENDS, packages_of
from groupnl_deploy.cli.main import app
from groupnl_deploy.deploy.doctor import examine, require_fit
from groupnl_deploy.deploy.inventory import add_device, facts_of, local_device
from groupnl_deploy.errors import DeviceUnreachable, DiskFull
from groupnl_deploy.remote.agent import open_agent
from groupnl_deploy.remote.connect import connect
from groupnl_deploy.remote.device import Device


def doctor(name: str, *options: str) -> Result:
    return CliRunner().invoke(app, ["device", "doctor", name, *options])


@pytest.fixture(scope="module")
def bare_python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A Python without any package."""
    folder = tmp_path_factory.mktemp("bare") / "environment"
    venv.create(folder, with_pip=False)
    return str(folder / "bin" / "python")


@pytest.mark.slow
def test_this_machine_runs_every_backend_and_each_package_is_loaded() -> None:
    done = doctor("local")
    loaded = [line for line in done.stdout.splitlines() if line.startswith("ok      loading: ")]
    packages = sorted({name for backend in BACKENDS for name in packages_of(backend) if find_spec(name)})
    assert [line.split()[2] for line in loaded] == packages, done.output
    assert f"Python {sys.version.split()[0]}, 64-bit" in done.stdout
    assert (done.exit_code == 1) == ("ERROR" in done.stdout)  # this machine may be short of something else


@pytest.mark.sshd
def test_a_board_without_packages_is_told_over_ssh_and_what_was_seen_is_kept(sshd, bare_python: str) -> None:
    add_device(sshd.device("pi", python=bare_python))
    done = doctor("pi", "--json")
    assert done.exit_code == 1, done.stderr
    told = json.loads(done.stdout)
    errors = {one["what"]: one["remedy"] for one in told["findings"] if one["severity"] == "error"}
    lacking = f"the backend onnxruntime lacks numpy, onnxruntime (looked for by {bare_python})"
    assert "groupnl device provision pi --backend onnxruntime" in errors[lacking]
    assert [one["check"] for one in told["findings"]][:2] == ["link", "system"] and told["exit_code"] == 1
    facts = facts_of("pi")
    assert facts is not None and facts.python == told["examined"]["readiness"]["board"]["python"]


@pytest.mark.sshd
def test_a_benchmark_without_packages_is_refused_before_anything_is_pushed(sshd, bare_python: str, untrained) -> None:
    device = add_device(sshd.device("pi", python=bare_python))
    done = CliRunner().invoke(app, ["bench", str(untrained.onnx.directory), "--device", "pi"])
    assert done.exit_code == 3 and "pi: the backend onnxruntime lacks numpy, onnxruntime" in done.stderr, done.stderr
    assert "groupnl device provision pi --backend onnxruntime" in done.stderr and "pushed first" not in done.stderr
    assert sorted(path.name for path in Path(device.root).iterdir()) == ["agents"]


def test_a_board_that_is_off_is_a_finding_with_exit_code_3() -> None:
    add_device(Device("off", "auto", host="127.0.0.1", port=9))
    done = doctor("off")
    assert done.exit_code == 3 and done.stdout.startswith("ERROR   link: ") and "Try: " in done.stdout
    told = json.loads(doctor("off", "--json").stdout)
    assert (told["exit_code"], told["examined"], len(told["findings"])) == (3, None, 1)


def test_a_root_that_the_agent_cannot_start_from_is_a_finding_with_its_remedy(tmp_path: Path) -> None:
    (tmp_path / "root").symlink_to(tmp_path / "nowhere")
    diagnosis = examine(Device("board", "local", python=sys.executable, root=str(tmp_path / "root")))
    link, agent = diagnosis.findings
    assert (link.severity, agent.check, agent.severity, diagnosis.exit_code) == ("fine", "agent", "error", 1)
    assert str(tmp_path / "root") in agent.what and agent.remedy and "link to nowhere" in agent.remedy


def test_before_a_benchmark_what_would_stop_it_is_raised_and_what_is_sent_never_begins(
    bare_python: str, tmp_path: Path
) -> None:
    said: list[str] = []
    device = Device("board", "local", python=bare_python, root=str(tmp_path / "root"))
    with connect(device) as transport, open_agent(transport) as agent:
        with pytest.raises(DeviceUnreachable, match="lacks numpy, onnxruntime") as caught:
            require_fit(agent, "board", "bench", said.append, backends=["onnxruntime"])
        assert "groupnl device provision board --backend onnxruntime" in caught.value.remedy and said == []
        require_fit(agent, "board", "push", said.append, backends=["onnxruntime"])
        assert "lacks numpy, onnxruntime" in said.pop() and said == []
        with pytest.raises(DiskFull, match="are needed"):
            require_fit(agent, "board", "campaign", said.append, needed_bytes=10**18)
    with connect(local_device()) as transport, open_agent(transport) as agent:
        assert require_fit(agent, "local", "bench", said.append, backends=["onnxruntime"]).volume.writable
