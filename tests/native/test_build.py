"""native/build.py: what it promises of a library is read from the library; the same bytes twice; what can go wrong."""

import ctypes
import hashlib
import os
import re
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from device_agent.native import NativeLibrary
from device_agent.strict import from_json
from exporters.native.operators import VERSION
from groupnl_deploy.native.libraries import LibraryFile

TARGETS = ("linux-x86_64", "linux-aarch64", "macos-arm64")


def build(checkout: Path, *arguments: object, **environment: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, checkout / "native" / "build.py", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | environment)


def what_happened(done: "subprocess.CompletedProcess[str]") -> tuple[str, str]:
    """The last two lines of a failure, which are all of it that is ours."""
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
    message, remedy = done.stderr.splitlines()[-2:]
    return message, remedy


def test_the_library_of_this_machine_is_what_its_record_says(native_library: LibraryFile) -> None:
    data, record = native_library.path.read_bytes(), native_library.record
    assert (record.sha256, record.bytes) == (hashlib.sha256(data).hexdigest(), len(data))
    assert record.version == VERSION
    library = ctypes.CDLL(str(native_library.path))
    assert library.groupnl_native_version() == VERSION
    assert library.RegisterCustomOps


def test_a_build_says_where_the_library_is_and_writes_its_record(small_checkout: Path, tmp_path: Path) -> None:
    done = build(small_checkout, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    path = Path(done.stdout.split("  ")[0])
    record = from_json(NativeLibrary, path.with_suffix(".json").read_bytes())
    assert record.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert sorted(one.suffix for one in (tmp_path / "out").iterdir()) == [".json", ".so"]


def test_nothing_but_its_functions_may_be_exported(small_checkout: Path, tmp_path: Path) -> None:
    source = small_checkout / "native" / "src" / "two.c"
    source.write_text(source.read_text().replace("unsigned hidden", "PUBLIC unsigned hidden"))
    message, remedy = what_happened(build(small_checkout, "--out", tmp_path / "out"))
    assert "groupnl_native_version, hidden_from_all, not RegisterCustomOps" in message and "hidden" in remedy
    assert not (tmp_path / "out").exists()


def test_what_the_sources_leave_undefined_is_found_when_they_are_linked(small_checkout: Path, tmp_path: Path) -> None:
    source = small_checkout / "native" / "src" / "two.c"
    source.write_text(
        "unsigned nowhere(void);\n" + source.read_text().replace("return hidden_from_all", "return nowhere()")
    )
    message, _ = what_happened(build(small_checkout, "--out", tmp_path / "out"))
    assert message.startswith("The C compiler failed: ") and "nowhere" in message


def test_a_compiler_that_fails_is_quoted(small_checkout: Path, tmp_path: Path) -> None:
    with (small_checkout / "native" / "src" / "two.c").open("a") as stream:
        stream.write("float half(float x) { return x / ; }\n")
    message, remedy = what_happened(build(small_checkout, "--out", tmp_path / "out"))
    assert "two.c:12:" in message and "error" in message and "ziglang" in remedy
    assert not (tmp_path / "out").exists()


def test_an_old_compiler_of_the_machine_is_refused_and_so_is_one_for_another_target(
    small_checkout: Path, tmp_path: Path
) -> None:
    old = tmp_path / "old-cc"
    old.write_text("#!/bin/sh\necho '#define __GNUC__ 9'; echo '#define __VERSION__ \"9.4.0\"'\n")
    old.chmod(old.stat().st_mode | stat.S_IXUSR)
    message, remedy = what_happened(build(small_checkout, "--compiler", "cc", CC=str(old)))
    assert f"{old} is gcc 9.4.0" in message and "pip install ziglang" in remedy
    message, _ = what_happened(build(small_checkout, "--compiler", "cc", CC=str(tmp_path / "nothing")))
    assert message == "There is no C compiler that can build the native library."
    old.write_text(old.read_text().replace("9", "13"))
    message, _ = what_happened(build(small_checkout, "--compiler", "cc", "--target", "macos-arm64", CC=str(old)))
    assert message == f"{old} builds for this machine alone, not for macos-arm64."


def test_an_unknown_target_and_a_folder_that_cannot_be_made(small_checkout: Path, tmp_path: Path) -> None:
    message, remedy = what_happened(build(small_checkout, "--target", "linux-riscv64"))
    assert message == "There is no native library for linux-riscv64." and "linux-aarch64" in remedy
    (tmp_path / "file").touch()
    message, remedy = what_happened(build(small_checkout, "--out", tmp_path / "file" / "below"))
    assert "file" in message and "--out" in remedy


def test_a_folder_in_the_librarys_place_is_named_before_anything_is_compiled(
    small_checkout: Path, tmp_path: Path
) -> None:
    for target in TARGETS:
        (tmp_path / "out" / f"groupnl_native-{target}.{'dylib' if 'macos' in target else 'so'}").mkdir(parents=True)
    message, remedy = what_happened(build(small_checkout, "--out", tmp_path / "out"))
    assert message.startswith(str(tmp_path / "out" / "groupnl_native-")) and "is a folder" in message
    assert remedy.startswith("Remove it")


def test_a_cache_folder_that_cannot_be_made_is_said_before_anything_is_compiled(
    small_checkout: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    done = build(small_checkout, GROUPNL_HOME=str(tmp_path / "file"))
    happened, remedy = what_happened(done)
    assert happened.startswith(f"Cannot write {tmp_path / 'file'}") and "GROUPNL_HOME" in remedy


@pytest.mark.slow
def test_the_key_changes_with_each_source_and_each_target(small_checkout: Path) -> None:
    before = build(small_checkout, "--keys", "--target", "all").stdout.split()
    assert len(set(before)) == len(TARGETS)
    (small_checkout / "native" / "src" / "more.h").touch()
    after = build(small_checkout, "--keys", "--target", "all").stdout.split()
    assert set(before) & set(after) == set()


def test_a_library_asks_for_an_old_glibc_at_most(small_checkout: Path, tmp_path: Path) -> None:
    done = build(small_checkout, "--compiler", "zig", "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    (record,) = (from_json(NativeLibrary, path.read_bytes()) for path in (tmp_path / "out").glob("*.json"))
    if record.system == "linux":
        assert (record.libc, record.libc_version) == ("glibc", "2.17")
        data = (tmp_path / "out" / f"groupnl_native-linux-{record.machine}.so").read_bytes()
        assert set(re.findall(rb"GLIBC_[0-9.]+", data)) <= {b"GLIBC_2.2.5", b"GLIBC_2.17"}


@pytest.mark.slow
def test_the_same_sources_give_the_same_bytes_in_another_folder_at_another_time(
    copies: Callable[[str], Path], tmp_path: Path
) -> None:
    """Ours, for every target; the second checkout has another name, and files of another age."""
    made = []
    for name in ("one", "another-and-longer"):
        done = build(copies(name), "--target", "all", "--compiler", "zig", "--out", tmp_path / name / "out")
        assert done.returncode == 0, done.stderr
        made.append({path.name: path.read_bytes() for path in (tmp_path / name / "out").iterdir()})
    assert len(made[0]) == 2 * len(TARGETS) and made[0] == made[1]
    assert not any(str(tmp_path).encode() in data for data in made[0].values())
    records = [from_json(NativeLibrary, data) for name, data in made[0].items() if name.endswith(".json")]
    assert {(one.system, one.machine, one.libc, one.libc_version) for one in records} == {
        ("linux", "aarch64", "glibc", "2.17"),
        ("linux", "x86_64", "glibc", "2.17"),
        ("macos", "arm64", None, None),
    }
