"""The native library is loaded from the bytes that were hashed, and from nothing else."""

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from device_agent import native
from device_agent.native import KERNELS, NoSuchKernels, NotThisLibrary, instructions, open_verified, register
from groupnl_deploy.native.libraries import LibraryFile
from tests.rigs.native_graphs import depthwise, samples


@pytest.fixture
def named(native_library: LibraryFile, tmp_path: Path) -> Path:
    """A copy under the name that it has on a device: its digest."""
    return Path(shutil.copy(native_library.path, tmp_path / native_library.record.sha256))


@pytest.fixture
def unready(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As in a process that has loaded nothing yet."""
    monkeypatch.setattr(native, "_ready", {})
    yield


def answers(named: Path) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    register(options, named)
    session = onnxruntime.InferenceSession(depthwise(0).SerializeToString(), options)
    return session.run(None, {"x": samples()["x"][0]})[0]


def right() -> np.ndarray:
    session = onnxruntime.InferenceSession(depthwise(None).SerializeToString())
    return session.run(None, {"x": samples()["x"][0]})[0]


def test_a_session_that_it_is_registered_with_has_its_operators(named: Path) -> None:
    np.testing.assert_allclose(answers(named), right(), atol=1e-5)
    assert instructions(named) in ("avx512", "avx2", "neon", "portable")


def test_the_environment_names_the_kernels_and_none_that_are_not_there(
    named: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KERNELS, "portable")
    assert instructions(named) == "portable"
    np.testing.assert_allclose(answers(named), right(), atol=1e-5)
    monkeypatch.setenv(KERNELS, "AVX2")  # not its name: kernels have small letters
    with pytest.raises(NoSuchKernels, match=r"asks for the kernels 'AVX2', which .*Unset the variable"):
        register(onnxruntime.SessionOptions(), named)
    monkeypatch.setenv(KERNELS, "")
    assert instructions(named)


@pytest.mark.usefixtures("unready")
@pytest.mark.parametrize("memory", [True, False], ids=["sealed memory", "private copy"])
def test_what_was_hashed_is_loaded_whatever_happens_to_the_file(
    named: Path, memory: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not memory:
        monkeypatch.delattr(os, "memfd_create")
    loaded = open_verified(named, named.name)
    named.write_bytes(b"something else that somebody put there")
    assert hashlib.sha256(Path(loaded).read_bytes()).hexdigest() == named.name
    np.testing.assert_allclose(answers(named), right(), atol=1e-5)


@pytest.mark.usefixtures("unready")
def test_a_program_that_closed_what_it_does_not_know_loads_the_library_again(named: Path) -> None:
    """As daemons close; another file soon has the number, and must not be loaded in its place."""
    loaded = open_verified(named, named.name)
    number = int(Path(loaded).name)
    with named.with_name("another").open("wb") as another:
        os.dup2(another.fileno(), number)
        again = open_verified(named, named.name)
        os.close(number)
    assert hashlib.sha256(Path(again).read_bytes()).hexdigest() == named.name
    np.testing.assert_allclose(answers(named), right(), atol=1e-5)


@pytest.mark.usefixtures("unready")
def test_sealed_memory_cannot_be_written_to(named: Path) -> None:
    loaded = open_verified(named, named.name)
    for change in (lambda: Path(loaded).write_bytes(b"x"), lambda: os.truncate(loaded, 0)):
        with pytest.raises(PermissionError):
            change()
    assert hashlib.sha256(Path(loaded).read_bytes()).hexdigest() == named.name


@pytest.mark.usefixtures("unready")
def test_a_private_copy_is_in_a_folder_of_this_users_alone(named: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "memfd_create")
    folder = Path(open_verified(named, named.name)).parent
    assert folder.stat().st_mode & 0o777 == 0o700
    native._remove_of(os.getpid() + 1, folder)
    assert folder.exists(), "a child that was forked leaves it to its parent"
    native._remove_of(os.getpid(), folder)
    assert not folder.exists()


@pytest.mark.usefixtures("unready")
@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "was altered: its SHA-256 is not"),
        (lambda path: path.write_bytes(b""), "was altered"),
        (lambda path: path.unlink(), "cannot be read: no such file"),
        (lambda path: (path.unlink(), path.mkdir()), "cannot be read: is a directory"),
        (lambda path: (path.unlink(), os.mkfifo(path)), "was altered"),
    ],
    ids=["cut off", "empty", "gone", "folder", "pipe"],
)
def test_another_file_is_refused(named: Path, make: Callable[[Path], object], words: str) -> None:
    make(named)
    with pytest.raises(NotThisLibrary, match=f"{words}.*Push the artifact again"):
        register(onnxruntime.SessionOptions(), named)
    assert native._ready == {}


def test_sessions_come_and_go_without_a_trace(named: Path) -> None:
    answers(named)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(20):
        answers(named)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_digest_may_be_given_where_the_file_has_another_name(native_library: LibraryFile) -> None:
    options = onnxruntime.SessionOptions()
    register(options, native_library.path, native_library.record.sha256)
    with pytest.raises(NotThisLibrary, match=r"\.so was altered"):
        register(options, native_library.path)
