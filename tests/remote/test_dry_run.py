"""`push --dry-run`: what it tells is what a push then does, and it leaves every device as it was."""

import json
import sys
import venv
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from device_agent.manifest import NativeModel, NativeOperators
from exporters.artifact import Artifact
from groupnl_deploy.cli.exits import explain
from groupnl_deploy.cli.main import app
from groupnl_deploy.deploy import dry_run as dry_run_module
from groupnl_deploy.deploy.dry_run import DryRunStep, Forecast
from groupnl_deploy.deploy.inventory import add_device, add_to_group
from groupnl_deploy.deploy.outcome import Outcome, PushStep
from groupnl_deploy.errors import DeviceUnavailable
from groupnl_deploy.progress import Silence
from groupnl_deploy.remote import look
from groupnl_deploy.remote.client import AgentClient
from groupnl_deploy.remote.device import Device

WIDE = {"COLUMNS": "200"}
Tree = dict[str, tuple[int, ...]]


def tree(folder: Path) -> Tree:
    """All that a change would show in: modes, sizes, times of change and the files themselves."""
    found = {}
    for path in (folder, *folder.rglob("*")):
        facts = path.lstat()
        found[str(path)] = (facts.st_mode, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns, facts.st_ino)
    return found


@pytest.fixture
def device(tmp_path: Path) -> Device:
    (tmp_path / "board").mkdir()
    return Device("board", "local", python=sys.executable, root=str(tmp_path / "board" / "root"))


def dry_run(device: Device, artifact: Artifact) -> Forecast:
    """What it says; what lies on the device is compared."""
    folder = Path(device.root).parent
    before = tree(folder)
    said = DryRunStep(artifact, device, Silence(), retry_for_s=0)()
    assert tree(folder) == before
    return said


def push(device: Device, artifact: Artifact) -> Outcome:
    return PushStep(artifact, device, Silence(), wait_s=0, retry_for_s=0)()


def exit_code(done: Forecast | Outcome) -> int:
    return 0 if done.error is None else explain(done.error).exit_code


def test_what_would_be_sent_is_what_is_sent_whatever_is_there(device: Device, untrained) -> None:
    artifact, root = untrained.onnx, Path(device.root)
    model, in_all = artifact.manifest.file("model").name, sum(path.stat().st_size for path in artifact.files)
    parts = root / "incoming" / artifact.sha256
    parts.mkdir(parents=True)
    (parts / model).write_bytes((artifact.directory / model).read_bytes()[:50_000])
    (parts / "manifest.json").write_bytes(b"{}")
    first = dry_run(device, artifact)
    assert (first.word, sum(first.missing)) == ("would be sent", in_all - 50_000)
    assert first.looked is not None and not first.looked.has_agent and first.agent_bytes > 100_000
    assert "whether clock and supply are as they should be" in first.untold
    assert push(device, artifact).sent_bytes == in_all - 50_000

    again = dry_run(device, artifact)
    assert (again.word, again.missing, again.agent_bytes) == ("already there, accepted before", (), 0)
    assert again.looked is not None and again.looked.current == artifact.sha256
    assert again.untold == ("whether it gives the right answers there",)

    blocks_of_one = (NativeModel(model, 1, "1.17", "1.32", None, "run"),)
    operators = NativeOperators("groupnl.native", 1, {"Generate": 1}, blocks_of_one)
    said = dry_run(device, replace(artifact, manifest=replace(artifact.manifest, native=operators)))
    assert (said.word, exit_code(said)) == ("not possible", 2) and "in blocks of 1" in str(said.error)

    for damaged in (*(root / "agents").glob("*.pyz"), root / "artifacts" / artifact.sha256 / model):
        damaged.write_bytes(damaged.read_bytes()[:-1] + b"x")
    mended = dry_run(device, artifact)
    assert (mended.word, sum(mended.missing), mended.agent_bytes) == ("would be sent", in_all, first.agent_bytes)


@pytest.mark.slow
def test_a_link_that_is_lost_on_the_way_is_sought_again(
    device: Device, untrained, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert push(device, untrained.onnx).error is None
    ask, asked = dry_run_module.require_fit, list[str]()

    def lost_once(agent: AgentClient, name: str, *words: Any, **named: Any) -> Any:
        asked.append(name)
        if len(asked) == 1:
            raise DeviceUnavailable("The connection to board broke.", "Check the device and its link.")
        return ask(agent, name, *words, **named)

    monkeypatch.setattr(dry_run_module, "require_fit", lost_once)
    said = DryRunStep(untrained.onnx, device, Silence(), retry_for_s=30)()
    assert len(asked) == 2 and said.word == "already there, accepted before"


@pytest.fixture(scope="module")
def bare_python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A Python without any package."""
    folder = tmp_path_factory.mktemp("bare") / "environment"
    venv.create(folder, with_pip=False)
    return str(folder / "bin" / "python")


@pytest.mark.slow
def test_a_missing_runtime_is_told_with_the_agent_there_and_not(device: Device, untrained, bare_python: str) -> None:
    device = Device("board", "local", python=bare_python, root=device.root)
    for more in ("", " --uncertified"):  # which the agent's word of the processor tells
        said = dry_run(device, untrained.onnx)
        assert said.word == "not accepted yet" and exit_code(said) == 3
        assert "lacks numpy, onnxruntime" in str(said.error)
        command = f"groupnl device provision board --backend onnxruntime{more}."
        assert command in explain(said.error).remedy  # type: ignore[arg-type]
        assert exit_code(push(device, untrained.onnx)) == 3


@pytest.mark.parametrize(
    "obstacle", [pytest.param("link to nowhere", marks=pytest.mark.slow), "file", "file in a folder's place"]
)
def test_a_root_that_takes_nothing_is_told(device: Device, untrained, obstacle: str) -> None:
    root = Path(device.root)
    if obstacle == "link to nowhere":
        root.symlink_to(root.with_name("nowhere"))
    elif obstacle == "file":
        root.write_text("")
    else:
        root.mkdir()
        (root / "artifacts").write_text("")
    said = dry_run(device, untrained.onnx)
    assert exit_code(said) == exit_code(push(device, untrained.onnx)) == 1
    assert str(root) in explain(said.error).message  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ("size=600k", "no room"),
        *(pytest.param(*c, marks=pytest.mark.slow) for c in (("nr_inodes=6", "no room"), ("ro", "failed"))),
    ],
)
def test_a_disk_that_takes_nothing_is_told(mounted: Any, untrained, options: str, word: str) -> None:
    device = Device("board", "local", python=sys.executable, root=str(mounted(options) / "root"))
    said = dry_run(device, untrained.onnx)
    assert (said.word, exit_code(said)) == (word, 1)
    assert exit_code(push(device, untrained.onnx)) == 1


def test_an_old_python_is_refused(device: Device, untrained, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(look, "_STUB", look._STUB.replace("< (3, 11)", "< (9, 9)"))
    said = dry_run(device, untrained.onnx)
    assert exit_code(said) == 3 and "the agent needs" in str(said.error)


def run(artifact: Artifact, *options: str) -> Result:
    words = ["push", str(artifact.directory), "--dry-run", "--retry-for", "0", *options]
    return CliRunner().invoke(app, words, env=WIDE)


@pytest.mark.sshd
def test_many_devices_over_ssh_are_left_as_they_were(sshd: Any, untrained) -> None:
    boards = [add_device(sshd.device(name)) for name in ("pi", "pi2")]
    add_device(Device("off", "auto", host="127.0.0.1", port=9))
    add_to_group("lab", ["pi", "pi2", "off"])
    assert push(boards[1], untrained.onnx).error is None
    before = tree(Path(boards[0].root).parent), tree(sshd.board_home)
    done = run(untrained.onnx, "--group", "lab")
    assert done.exit_code == 3, done.output
    lines = {line.split()[0]: line for line in done.stdout.splitlines() if line.split()}
    assert "would be sent" in lines["pi"] and "already there, accepted before" in lines["pi2"]
    assert "unreachable: 127.0.0.1 refuses connections" in lines["off"] and "Error: off: " in done.stderr
    assert "Nothing was changed." in done.stderr and "way of a push to 2 of 3 devices." in done.stderr
    told = json.loads(run(untrained.onnx, "--device", "pi", "--json").stdout)
    assert told["dry_run"] and [one["device"] for one in told["devices"]] == ["pi"]
    assert told["devices"][0]["send_bytes"] == sum(path.stat().st_size for path in untrained.onnx.files)
    assert (tree(Path(boards[0].root).parent), tree(sshd.board_home)) == before
