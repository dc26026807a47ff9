"""A record and its digest: whole together at every step of an amendment."""

from pathlib import Path

import pytest

from device_agent.settings import Settings
from groupnl_deploy import record
from groupnl_deploy.errors import DiskFull, VerificationFailed
from groupnl_deploy.record import amend_record, read_record, write_record
from groupnl_deploy.workspace import write_atomically

OLD, NEW = Settings(threads=1), Settings(threads=2)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "run.json"
    write_record(path, OLD)
    return path


def read(path: Path) -> Settings:
    return read_record(Settings, path, "Bench again.")


@pytest.mark.parametrize(("done", "found"), [(0, OLD), (1, OLD), (2, NEW)])
def test_an_amendment_that_ends_after_any_step_leaves_one_of_both_whole(
    done: int, found: Settings, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = [done]

    def until_full(target: Path, data: bytes) -> None:
        if not left[0]:
            raise DiskFull("The disk is full.", "Free some space.")
        left[0] -= 1
        write_atomically(target, data)

    monkeypatch.setattr(record, "write_atomically", until_full)
    with pytest.raises(DiskFull):
        amend_record(path, NEW)
    assert read(path) == found
    path.write_text(path.read_text().replace("\n", " \n", 1))
    with pytest.raises(VerificationFailed, match="another SHA-256"):
        read(path)


def test_an_amended_record_has_its_own_digest_alone(path: Path) -> None:
    amend_record(path, NEW)
    assert read(path) == NEW and len(path.with_name("run.json.sha256").read_text().splitlines()) == 1
    write_record(path.with_name("old"), OLD)
    path.write_bytes(path.with_name("old").read_bytes())
    with pytest.raises(VerificationFailed):
        read(path)


def test_a_record_that_is_amended_while_it_is_read_is_whole(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read_bytes, amended = Path.read_bytes, []

    def late(file: Path) -> bytes:
        if file == path and not amended:
            amended.append(True)
            amend_record(path, NEW)
        return read_bytes(file)

    monkeypatch.setattr(Path, "read_bytes", late)
    assert read(path) == NEW and amended


def test_a_digest_of_other_bytes_than_letters_is_no_traceback(path: Path) -> None:
    path.with_name("run.json.sha256").write_bytes(b"\xff\x00" * 40)
    with pytest.raises(VerificationFailed, match="One of the two was altered"):
        read(path)
