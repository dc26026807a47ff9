"""What a device tells of itself: of real file systems, processes and environments, without the host."""

import os
import subprocess
import sys
import time
import venv
from collections.abc import Callable
from pathlib import Path

import pytest

from device_agent.doctor import Doctor, try_package, volume_of
from device_agent.leftovers import leftovers
from device_agent.messages.doctor import PackageTried


@pytest.mark.root
def test_mount_flags_and_rights_are_told(mounted: Callable[[str], Path]) -> None:
    (root := mounted("size=1m,noexec") / "root").mkdir()
    volume = volume_of(root)
    assert (volume.root, volume.room.mount) == (str(root), str(root.parent))
    assert (volume.room.read_only, volume.no_exec, volume.writable) == (False, True, True)
    subprocess.run(["mount", "-o", "remount,ro,exec", root.parent], check=True)
    volume = volume_of(root)
    assert (volume.room.read_only, volume.no_exec, volume.writable) == (True, False, False)


def test_an_environment_of_a_backend_is_looked_through_without_being_started(tmp_path: Path) -> None:
    environment = tmp_path / "environments" / "onnxruntime-0123"
    venv.create(environment, with_pip=False)
    (environment.parent / "onnxruntime").symlink_to(environment.name)
    (found,) = Doctor(tmp_path).readiness(["onnxruntime"]).backends
    assert (found.runtime.environment, found.missing) == ("onnxruntime-0123", ("numpy", "onnxruntime"))
    assert found.python == str(tmp_path / "environments" / "onnxruntime" / "bin" / "python")
    (site,) = environment.glob("lib/python3*/site-packages")
    (site / "numpy-9.9.dist-info").mkdir()
    (site / "numpy-9.9.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: numpy\nVersion: 9.9\n")
    (site / "onnxruntime").mkdir()  # a build of another name, such as onnxruntime-openvino
    (site / "onnxruntime" / "__init__.py").write_text("")
    (found,) = Doctor(tmp_path).readiness(["onnxruntime"]).backends
    assert (found.missing, found.runtime.packages) == ((), {"numpy": "9.9", "onnxruntime": None})
    (null,) = Doctor(tmp_path).readiness(["null"]).backends  # it computes nothing, so any environment will do
    assert (null.python, null.runtime.packages, null.missing) == (found.python, {"numpy": "9.9"}, ())
    (environment / "bin" / "python").unlink()
    (found,) = Doctor(tmp_path).readiness(["onnxruntime"]).backends
    assert found.dead_environment and found.python == sys.executable


def test_the_agents_own_python_serves_where_nothing_was_provisioned(tmp_path: Path) -> None:
    told = Doctor(tmp_path).readiness(["onnxruntime", "null"])
    assert [(one.missing, one.runtime.environment) for one in told.backends] == [((), None)] * 2
    assert told.python == sys.executable and told.in_environment == (sys.prefix != sys.base_prefix)
    assert abs(told.clock_s - time.time()) < 60


ENDS = {
    "sound": ("__version__ = '1.2'; print('hello')", 0, "1.2", ""),
    "nameless": ("", 0, None, ""),
    "instruction": ("import os, signal; os.kill(os.getpid(), signal.SIGILL)", 132, None, ""),
    "crash": ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", 139, None, ""),
    "leaving": ("import sys; sys.exit()", 1, None, "leaving ended Python while it was imported"),
    "unloadable": ("raise ImportError('libgomp.so.1: cannot open shared object file')", 1, None, "libgomp.so.1"),
}


@pytest.mark.parametrize("name", ENDS)
def test_a_package_is_imported_elsewhere_and_its_end_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    code, exit_code, version, words = ENDS[name]
    (tmp_path / f"{name}.py").write_text(code)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    tried = Doctor(tmp_path).try_package("onnxruntime", name)
    assert (tried.exit_code, tried.version) == (exit_code, version)
    assert words in tried.last_words and (tried.last_words == "" or exit_code)


def test_a_package_that_never_ends_its_import_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "slow.py").write_text("import time; time.sleep(600)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert try_package(tmp_path, "null", "slow", 0.2) == PackageTried("null", "slow", None, None, "")


def test_other_agents_of_the_same_root_are_told_with_their_age(tmp_path: Path) -> None:
    root, other_root = tmp_path / "root", tmp_path / "other"
    started = []
    for folder in (root, other_root):
        agent = folder / "agents" / "groupnl-agent-0123.pyz"
        agent.parent.mkdir(parents=True)
        agent.write_text("")
        code = "import sys; print('up', flush=True); sys.stdin.read()"
        command = [sys.executable, "-c", code, str(agent)]
        started.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE))
    assert all(child.stdout and child.stdout.readline() == b"up\n" for child in started)
    (told,) = leftovers(root).agents
    assert told.process == started[0].pid and 0 <= told.age_s < 600
    for child in started:
        child.communicate()
    assert leftovers(root).agents == ()


def test_what_pushes_left_is_told_with_size_and_age(tmp_path: Path) -> None:
    upload = tmp_path / "incoming" / "0123" / "model.onnx"
    upload.parent.mkdir(parents=True)
    upload.write_bytes(b"x" * 1000)
    day_before = time.time() - 90_000
    for path in (upload, upload.parent):
        os.utime(path, (day_before, day_before))
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents" / "groupnl-agent-0.pyz.1.part").write_bytes(b"x" * 10)
    first, second = leftovers(tmp_path).parts
    assert (first.kind, first.size_bytes) == ("upload", 1000) and 89_000 < first.age_s < 100_000
    assert (second.kind, second.size_bytes) == ("part", 10) and second.age_s < 600
