"""`groupnl push` to several devices: roots of one real OpenSSH server, one that refuses, a board that is off."""

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest
from typer.testing import CliRunner, Result

from exporters.artifact import open_artifact
from groupnl_deploy.cli.main import app
from groupnl_deploy.deploy import push as pushing
from groupnl_deploy.deploy.inventory import add_device, add_to_group
from groupnl_deploy.remote.agent import open_agent
from groupnl_deploy.remote.connect import connect
from groupnl_deploy.remote.device import Device
from tests.device_agent.made_up_runtime import runtime_that

pytestmark = pytest.mark.sshd

WIDE = {"COLUMNS": "200"}  # no cell is broken into lines


def push(artifact: Path, *options: str) -> Result:
    return CliRunner().invoke(app, ["push", str(artifact), "--retry-for", "0", *options], env=WIDE)


def rows(done: Result, names: Sequence[str]) -> dict[str, list[str]]:
    """The table's lines by device: time, bytes sent, outcome."""
    lines = {line.split()[0]: line.strip().split(maxsplit=3)[1:] for line in done.stdout.splitlines() if line.split()}
    return {name: lines[name] for name in names}


def is_there(device: Device, artifact: Any) -> bool:
    return open_artifact(Path(device.root) / "artifacts" / artifact.sha256).sha256 == artifact.sha256


@pytest.fixture
def pis(sshd: Any) -> tuple[Device, Device]:
    """Two boards, and a third that is off; all of them in the group lab."""
    found = add_device(sshd.device("pi")), add_device(sshd.device("pi2"))
    add_device(Device("off", "auto", host="127.0.0.1", port=9))
    add_to_group("lab", ["pi", "pi2", "off"])
    return found


def test_one_that_is_off_fails_alone_and_each_has_a_line(
    pis: tuple[Device, ...], untrained, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked = list[object]()
    check = pushing.require_artifact
    monkeypatch.setattr(pushing, "require_artifact", lambda *given: checked.append(given) or check(*given))
    artifact = untrained.onnx
    done = push(artifact.directory, "--device", "pi2", "--device", "pi2", "--group", "lab")
    assert done.exit_code == 3, done.output
    table = rows(done, ["pi2", "pi", "off"])  # as they were named, each once
    assert list(table) == [line.split()[0] for line in done.stdout.splitlines() if line.split() and "." in line]
    sent_mb = f"{sum(path.stat().st_size for path in artifact.files) / 1e6:.1f}"
    assert all(table[name][1:] == [sent_mb, "accepted"] for name in ("pi", "pi2"))
    assert table["off"][1:] == [
        "0.0",
        "unreachable: 127.0.0.1 refuses connections on port 9: no SSH server listens there",
    ]
    assert all(is_there(device, artifact) for device in pis) and len(checked) == 1
    assert not any(thread.name.startswith("side by side") for thread in threading.enumerate())
    assert "Error: off: 127.0.0.1 refuses connections" in done.stderr and done.stderr.count("Try: ") == 1
    assert "Accepted on 2 of 3 devices." in done.stderr
    for name in ("pi", "pi2", "off"):
        assert f"\n{name}: push {artifact.manifest.label} …" in done.stderr and done.stderr.count(f"\n{name}: ") == 2

    again = push(artifact.directory, "--group", "lab", "--jobs", "1", "--json")
    told = json.loads(again.stdout)
    assert again.exit_code == 3 and told["schema_version"] == 1
    assert [(one["device"], one["outcome"], one["exit_code"], one["sent_bytes"]) for one in told["devices"]] == [
        ("pi", "already there, accepted", 0, 0),
        ("pi2", "already there, accepted", 0, 0),
        ("off", "unreachable", 3, 0),
    ]
    assert told["devices"][0]["acceptance"]["verdict"] == "accepted" and told["devices"][2]["deployment"] is None
    assert "raspi-config" in told["devices"][2]["error"]["remedy"]


@pytest.mark.slow
def test_the_exit_code_is_that_of_the_gravest_and_two_names_of_one_board_take_turns(
    pis: tuple[Device, ...], sshd: Any, untrained, tmp_path: Path
) -> None:
    (tmp_path / "root").symlink_to(tmp_path / "nowhere")
    add_device(sshd.device("full", root=str(tmp_path / "root")))
    add_device(sshd.device("pi-too", root=pis[0].root))
    wrong = add_device(sshd.device("wrong"))
    runtime_that(Path(wrong.root), "import os; os.abort()")
    names = ["pi", "pi-too", "wrong", "full", "off"]
    done = push(untrained.onnx.directory, *(word for name in names for word in ("--device", name)))
    table = rows(done, names)
    assert sorted([table["pi"][2], table["pi-too"][2]]) == ["accepted", "already there, accepted"]
    assert table["full"][2].startswith("failed: The folder") and "link to nowhere" in done.stderr
    assert table["wrong"][2].startswith("refused: wrong refuses vgg11_cifar") and is_there(wrong, untrained.onnx)
    assert done.exit_code == 4 and "Accepted on 2 of 5 devices." in done.stderr
    assert "groupnl device provision wrong --backend onnxruntime" in done.stderr


def test_nothing_is_sent_where_a_name_is_wrong(pis: tuple[Device, ...], untrained) -> None:
    done = push(untrained.onnx.directory, "--device", "pi", "--device", "pi4", "--group", "labs")
    assert done.exit_code == 2 and "“pi4”" in done.stderr and "“labs” (did you mean “lab”?)" in done.stderr
    assert not Path(pis[0].root).exists()


def test_a_single_device_is_answered_as_ever_and_a_group_of_one_with_a_list(pis: tuple[Device, ...], untrained) -> None:
    single = push(untrained.onnx.directory, "--device", "pi", "--device", "pi", "--json")
    assert single.exit_code == 0 and set(json.loads(single.stdout)) == {"schema_version", "deployment", "acceptance"}
    add_to_group("one", ["off"])
    grouped = push(untrained.onnx.directory, "--group", "one", "--json")
    assert [one["outcome"] for one in json.loads(grouped.stdout)["devices"]] == ["unreachable"]


def _agents(*devices: Device) -> list[int]:
    return [
        one.pid
        for one in psutil.process_iter(["cmdline"])
        if any(device.root in " ".join(one.info["cmdline"] or ()) for device in devices)
    ]


@pytest.mark.slow
def test_ctrl_c_ends_every_agent_and_leaves_nothing(pis: tuple[Device, ...], untrained) -> None:
    """Both boards are busy, so both agents wait, and a third device is sought."""
    words = ["push", str(untrained.onnx.directory), "--group", "lab", "--retry-for", "5m"]
    with connect(pis[0]) as one, connect(pis[1]) as other, open_agent(one) as first, open_agent(other) as second:
        for holder in (first, second):
            holder.take_lock("a benchmark from laptop", 0, lambda other: None)
        ours = _agents(*pis)
        command = [sys.executable, "-m", "groupnl_deploy.cli.entry", *words]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert child.stderr is not None and child.stdout is not None
        said, busy = "", 0
        while busy < 2:
            line = child.stderr.readline()
            assert line, said
            said, busy = said + line, busy + ("busy with a benchmark from laptop" in line)
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=300)
        assert child.returncode == 1, err
        assert out.count("stopped") == 3 and "Error: Stopped." in err and "nothing of the artifact had been sent" in err
        assert "Traceback" not in err
        assert set(_agents(*pis)) <= set(ours)
    for device in pis:
        assert not (Path(device.root) / "artifacts").exists() and not (Path(device.root) / "incoming").exists()
