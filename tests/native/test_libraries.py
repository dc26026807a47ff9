"""Which native libraries an installation has: a checkout builds and keeps them, a wheel brought them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from groupnl_deploy.errors import CacheNotWritable, DiskFull, GroupNLError, NoNativeLibrary, VerificationFailed
from groupnl_deploy.native import libraries as room
from groupnl_deploy.native.build_script import keys
from groupnl_deploy.native.libraries import host_library, libraries, library_for
from groupnl_deploy.places import cache_dir


class Said:
    """A reporter that keeps what it is told."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture
def checkout(small_checkout: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """This installation is a small checkout."""
    monkeypatch.setattr(room, "_SOURCES", small_checkout / "native")
    return small_checkout


@pytest.fixture
def wheel(checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """This installation is a wheel with the library of this machine; where its libraries lie."""
    path = host_library(Said()).path
    shutil.copytree(path.parent, tmp_path / "libraries")
    monkeypatch.setattr(room, "_SOURCES", tmp_path / "nowhere")
    monkeypatch.setattr(room, "_OF_THE_WHEEL", tmp_path / "libraries")
    return tmp_path / "libraries"


def refusal(call) -> GroupNLError:
    with pytest.raises(GroupNLError) as caught:
        call()
    return caught.value


def test_a_checkout_builds_once_and_says_so(checkout: Path) -> None:
    said = Said()
    assert libraries() == ()
    built = host_library(said)
    assert built.is_whole and built.path.is_relative_to(cache_dir())
    assert len(said.notes) == 1 and "once" in said.notes[0]
    assert host_library(said) == built and libraries() == (built,)
    assert library_for(built.record.system, built.record.machine, said) == built
    assert len(said.notes) == 1


def test_an_edited_source_is_another_library_at_once(checkout: Path) -> None:
    """Even where its size and times stay, as no look at the folder would tell."""
    source = checkout / "native" / "src" / "two.c"
    before, said = keys(checkout / "native", "host"), source.stat()
    source.write_text(source.read_text().replace("hidden_from_all = 1", "hidden_from_all = 2"))
    os.utime(source, ns=(said.st_atime_ns, said.st_mtime_ns))
    assert source.stat().st_size == said.st_size and keys(checkout / "native", "host") != before
    command = [sys.executable, checkout / "native" / "build.py", "--keys", "--target", "all"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert tuple(printed) == keys(checkout / "native", "all") and len(printed) == 3


def test_the_names_of_the_scripts_are_left_to_networks_of_the_users_own(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = ModuleType("targets")
    monkeypatch.setitem(sys.modules, "targets", mine)
    path = list(sys.path)
    assert keys(checkout / "native", "host")
    assert sys.modules["targets"] is mine and "compilers" not in sys.modules and sys.path == path


@pytest.mark.slow
def test_other_sources_are_another_library(checkout: Path) -> None:
    first = host_library(Said())
    with (checkout / "native" / "src" / "two.c").open("a") as stream:
        stream.write("// other\n")
    assert libraries() == ()
    assert host_library(Said()).path != first.path


@pytest.mark.parametrize(
    "damage", ["altered", *(pytest.param(damage, marks=pytest.mark.slow) for damage in ("cut", "gone", "record"))]
)
def test_a_damaged_one_is_built_again(checkout: Path, damage: str) -> None:
    built = host_library(Said())
    data = built.path.read_bytes()
    if damage == "gone":
        built.path.unlink()
    elif damage == "record":
        built.path.with_suffix(".json").write_text("{")
    else:
        built.path.write_bytes(data[:100] if damage == "cut" else data[:-1] + bytes([data[-1] ^ 1]))
    assert libraries() == ()
    assert host_library(Said()) == built and built.path.read_bytes() == data


def test_of_two_processes_one_builds(checkout: Path) -> None:
    code = (
        "import pathlib, sys\n"
        "from groupnl_deploy.native import libraries as room\n"
        f"room._SOURCES = pathlib.Path({str(checkout / 'native')!r})\n"
        "class Said:\n"
        "    def note(self, text): print(text, flush=True)\n"
        "print(room.host_library(Said()).path, flush=True)\n"
    )
    command = [sys.executable, "-c", code]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [one.communicate()[0].splitlines() for one in both]
    assert [one.returncode for one in both] == [0, 0]
    assert said[0][-1] == said[1][-1]
    assert sum("Building" in line for lines in said for line in lines) == 1


def test_no_compiler_says_what_to_install(checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bare = tmp_path / "python-without-packages"
    bare.write_text(f'#!/bin/sh\nexec {sys.executable} -S "$@"\n')
    bare.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(bare))
    monkeypatch.setitem(sys.modules, "ziglang", None)
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    said = Said()
    error = refusal(lambda: host_library(said))
    assert isinstance(error, NoNativeLibrary) and error.exit_code == 1 and said.notes == []
    assert "no C compiler" in error.message and "pip install ziglang" in error.remedy
    assert libraries() == ()


def test_a_failing_compiler_and_a_machine_that_nothing_is_built_for(checkout: Path) -> None:
    assert "linux-riscv64" in refusal(lambda: library_for("linux", "riscv64", Said())).message
    (checkout / "native" / "src" / "two.c").write_text("no C\n")
    error = refusal(lambda: host_library(Said()))
    assert isinstance(error, NoNativeLibrary) and error.message.startswith("The C compiler failed: two.c:1:")
    assert "--optimize full" in error.remedy
    assert libraries() == ()


@pytest.mark.parametrize("variable", ["GROUPNL_HOME", pytest.param("XDG_CACHE_HOME", marks=pytest.mark.slow)])
def test_a_cache_that_cannot_be_written_names_the_variable_that_moves_it(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.delenv("GROUPNL_HOME")
    (tmp_path / "file").touch()  # not a folder that is read-only: root may write there
    monkeypatch.setenv(variable, str(tmp_path / "file"))
    error = refusal(lambda: host_library(Said()))
    assert isinstance(error, CacheNotWritable) and error.exit_code == 2
    assert str(tmp_path / "file") in error.message and variable in error.remedy
    monkeypatch.setenv(variable, str(tmp_path / "elsewhere"))  # the remedy
    assert host_library(Said()).path.is_relative_to(tmp_path / "elsewhere")


_ASK = """
import pathlib, sys
from groupnl_deploy.native import libraries as room
from groupnl_deploy.progress import Silence
room._SOURCES = pathlib.Path(sys.argv[1])
assert room.libraries() == ()
try:
    room.host_library(Silence())
except Exception as error:
    print(type(error).__name__, error.exit_code, error.message, error.remedy)
"""


@pytest.mark.parametrize("rights", [0o000, 0o555], ids=["no rights", "read-only"])
def test_a_cache_without_rights_is_no_library_and_cannot_be_written(checkout: Path, rights: int) -> None:
    """A lock of an earlier build may lie there; root gives up what lets it write everywhere."""
    kept = cache_dir() / "native"
    kept.mkdir(parents=True)
    (kept / "lock").touch()
    kept.chmod(rights)
    as_user = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
    command = [*as_user, sys.executable, "-c", _ASK, str(checkout / "native")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    kept.chmod(0o755)
    assert done.stdout.startswith(
        f"CacheNotWritable 2 The library of native operators is built once and kept, and {kept}"
    )
    assert "permission denied. Give yourself the permission" in done.stdout, done.stderr


@pytest.mark.root
@pytest.mark.parametrize("kilobytes", [4, pytest.param(8, marks=pytest.mark.slow)])
def test_a_full_cache(checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kilobytes: int) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root to mount a small file system")
    disk = tmp_path / "disk"
    disk.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={kilobytes}k,nr_inodes=64", "tmpfs"]
    if subprocess.run(["mount", *options, disk], check=False).returncode:
        pytest.skip("needs to be allowed to mount a small file system")
    try:
        monkeypatch.setenv("GROUPNL_HOME", str(disk))
        (disk / "filling").write_bytes(b"1" * 4096)
        error = refusal(lambda: host_library(Said()))
        assert isinstance(error, DiskFull) and "GROUPNL_HOME" in error.remedy
        assert not [path for path in disk.rglob("*") if path.suffix in (".so", ".json")]
    finally:
        subprocess.run(["umount", disk], check=True)


def test_a_wheel_has_what_it_brought_and_builds_nothing(wheel: Path) -> None:
    (only,) = libraries()
    assert host_library(Said()) == only and only.path.parent == wheel
    error = refusal(lambda: library_for("linux", "riscv64", Said()))
    assert isinstance(error, NoNativeLibrary) and "wheel" in error.remedy and "it has linux" in error.message
    shutil.rmtree(wheel)
    assert libraries() == () and "it has none" in refusal(lambda: host_library(Said())).message


def test_an_altered_library_of_a_wheel_is_refused(wheel: Path) -> None:
    (only,) = libraries()
    only.path.write_bytes(only.path.read_bytes()[:-1] + b"?")
    error = refusal(lambda: host_library(Said()))
    assert isinstance(error, VerificationFailed) and error.exit_code == 4 and "again" in error.remedy
