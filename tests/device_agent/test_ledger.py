"""The ledger: one line a deployment; what damages it loses no artifact."""

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from device_agent import ledger
from device_agent.messages.ledger import Deployment
from exporters.artifact import open_artifact

AGENT = "f" * 64
NOW = "2026-11-26T12:00:00+00:00"


@pytest.fixture
def root(tmp_path: Path, untrained) -> Path:
    """A device that has two artifacts, the older one's folder first in no order but that of time."""
    for number, label in enumerate(("second", "first")):
        manifest = replace(untrained.onnx.manifest, label=label)
        folder = tmp_path / "artifacts" / hashlib.sha256(manifest.to_bytes()).hexdigest()
        folder.mkdir(parents=True)
        for file in manifest.files:
            os.link(untrained.onnx.directory / file.name, folder / file.name)
        (folder / "manifest.json").write_bytes(manifest.to_bytes())
        os.utime(folder, (1000 - number, 1000 - number))
    return tmp_path


def ids(root: Path) -> dict[str, str]:
    folders = sorted((root / "artifacts").iterdir(), key=lambda path: path.stat().st_mtime)
    return {open_artifact(folder).manifest.label: folder.name for folder in folders}


def ids_of_folders(root: Path) -> list[str]:
    return [path.name for path in (root / "artifacts").iterdir() if path.is_dir()]


def line(sha256: str, label: str = "net", **changes: object) -> Deployment:
    return replace(Deployment("pi", sha256, label, "onnx", AGENT, NOW, None), **changes)  # type: ignore[arg-type]


def labels(root: Path) -> list[str]:
    return [item.label for item in ledger.deployments(root, "pi", AGENT)[0]]


def test_each_deployment_is_one_line_and_knows_the_one_before(root: Path) -> None:
    one, two = ids(root).values()
    ledger.record(root, line(one, "first"))
    second = ledger.record(root, line(two, "second"))
    assert second.previous == one
    again = ledger.record(root, line(one, "first"))
    assert again.previous == two
    lines = (root / ledger.LEDGER).read_text().splitlines()
    # Both artifacts lay there before the ledger did, so the first push has written down the other one, too.
    assert [json.loads(text)["label"] for text in lines] == ["second", "first", "second", "first"]
    assert labels(root) == ["second", "first"]


def test_the_first_push_to_a_device_is_one_line(root: Path) -> None:
    first, second = ids(root).values()
    shutil.rmtree(root / "artifacts" / second)
    assert ledger.record(root, line(first, "first")).previous is None
    assert [json.loads(text)["label"] for text in (root / ledger.LEDGER).read_text().splitlines()] == ["first"]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "is missing"),
        (b"", "is empty"),
        (b"\0" * 512, "is cut"),
        (b'{"schema_version": 1, "deployments": []}\n', "line 1"),
        (b"[]\n", "line 1"),
        (b"\xff\xfe\n", "line 1"),
        (b"[" * 100_000 + b"\n", "line 1"),
        (b'{"device": "pi", "schema_version": 99}\n', "line 1"),
    ],
)
def test_what_is_damaged_newer_or_lost_is_set_aside_and_written_anew(
    root: Path, content: bytes | None, why: str
) -> None:
    path = root / ledger.LEDGER
    if content is not None:
        path.write_bytes(content)
    assert labels(root) == ["first", "second"]
    assert why in (ledger.read(root, locked=True).damage or "")
    before = ids(root)
    recorded = ledger.record(root, line(before["first"], "first"))
    assert recorded.previous == before["second"]
    assert ledger.read(root, locked=True).damage is None
    assert labels(root) == ["second", "first"]
    aside = [file.read_bytes() for file in root.glob(f"{ledger.LEDGER}.aside-*")]
    assert aside == ([] if content is None else [content])


@pytest.mark.parametrize(
    "make",
    [
        lambda path: (path.mkdir(), (path / "x").write_text("x")),
        lambda path: path.symlink_to(path),
        lambda path: path.symlink_to("nowhere"),
        os.mkfifo,
    ],
    ids=["folder", "loop", "dangling link", "pipe"],
)
def test_what_is_no_file_is_set_aside_too(root: Path, make: Callable[[Path], object]) -> None:
    make(root / ledger.LEDGER)
    assert labels(root) == ["first", "second"]
    assert "is no file" in (ledger.read(root, locked=True).damage or "")
    ledger.record(root, line(ids(root)["first"], "first"))
    assert ledger.read(root, locked=True).damage is None
    assert labels(root) == ["second", "first"]
    assert any(os.path.lexists(path) for path in root.glob(f"{ledger.LEDGER}.aside-*"))
    assert list(root.glob("*.part")) == []


def test_a_damaged_ledger_stays_where_no_other_can_be_written(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = ids(root).values()
    ledger.record(root, line(first, "first"))
    damaged = (root / ledger.LEDGER).read_bytes() + b"{damage}\n"
    (root / ledger.LEDGER).write_bytes(damaged)

    def full(path: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr("device_agent.durable.flush", full)
    with pytest.raises(OSError, match="No space left"):
        ledger.record(root, line(second, "second"))
    assert (root / ledger.LEDGER).read_bytes() == damaged
    assert sorted(path.name for path in root.iterdir()) == ["artifacts", ledger.LEDGER]


def test_what_a_damaged_line_says_cannot_play_with_a_terminal(root: Path) -> None:
    (root / ledger.LEDGER).write_text(json.dumps({"\x1b[31m" + "x" * 10_000: 1}) + "\n")
    damage = ledger.deployments(root, "pi", AGENT)[1] or ""
    assert damage.isprintable() and "unknown key" in damage and len(damage) < 400


def test_good_lines_survive_a_bad_one_in_their_order(root: Path) -> None:
    first, second = ids(root).values()
    ledger.record(root, line(second, "second", pushed_at="2026-01-01T00:00:00+00:00"))
    ledger.record(root, line(first, "first"))
    path = root / ledger.LEDGER
    path.write_bytes(path.read_bytes() + b"{damage}\n")
    ledger.record(root, line(second, "second"))
    items, damage = ledger.deployments(root, "pi", AGENT)
    assert damage is None
    assert [item.label for item in items] == ["first", "second"]


def test_a_line_that_is_being_written_is_not_damage_to_a_reader(root: Path) -> None:
    first, second = ids(root).values()
    ledger.record(root, line(first, "first"))
    ledger.record(root, line(second, "second"))
    with (root / ledger.LEDGER).open("ab") as stream:
        stream.write(b'{"device": "pi", "arti')
    assert labels(root) == ["first", "second"]
    assert ledger.deployments(root, "pi", AGENT)[1] is None
    ledger.record(root, line(first, "first"))  # under the lock it is what a power cut left
    assert len(list(root.glob(f"{ledger.LEDGER}.aside-*"))) == 1
    assert labels(root) == ["second", "first"]


def test_folders_that_are_no_artifacts_are_not_listed(root: Path) -> None:
    (root / "artifacts" / ("0" * 64)).mkdir()
    (root / "artifacts" / "file").write_text("x")
    broken = root / "artifacts" / hashlib.sha256(b"x").hexdigest()
    broken.mkdir()
    (broken / "manifest.json").write_bytes(b"x")
    assert labels(root) == ["first", "second"]
    for name in ids_of_folders(root):
        shutil.rmtree(root / "artifacts" / name)
    (root / "artifacts" / "lost+found").mkdir()
    assert ledger.deployments(root, "pi", AGENT) == ((), None)


def test_an_artifact_of_a_time_that_no_calendar_has_is_the_newest(root: Path) -> None:
    os.utime(root / "artifacts" / ids(root)["first"], (1e12, 1e12))
    assert labels(root) == ["second", "first"]


def test_an_artifact_whose_file_was_cut_is_not_listed(root: Path) -> None:
    path = root / "artifacts" / next(reversed(ids(root).values())) / "model.onnx"
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data[:-1])
    assert labels(root) == ["first"]


def test_a_new_device_has_an_empty_ledger(tmp_path: Path) -> None:
    assert ledger.deployments(tmp_path, "pi", AGENT) == ((), None)


def test_it_does_not_grow_for_ever(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "_MOST_LINES", 10)
    first, second = ids(root).values()
    for _ in range(7):
        ledger.record(root, line(first, "first"))
        ledger.record(root, line(second, "second"))
    assert len((root / ledger.LEDGER).read_text().splitlines()) < 10
    assert labels(root) == ["first", "second"]


@pytest.mark.parametrize("name", ["../../x", "", "g" * 64])
def test_a_line_that_names_no_artifact_is_no_deployment(name: str) -> None:
    with pytest.raises(ValueError, match="no artifact's id"):
        line(name)
