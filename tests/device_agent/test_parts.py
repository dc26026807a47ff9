"""A file that arrives: its beginnings, and what is behind them."""

import hashlib
import os
from pathlib import Path

import pytest

from device_agent.errors import BadRequest, DigestMismatch
from device_agent.file_digest import FileDigest
from device_agent.messages.push import MARK_BYTES
from device_agent.parts import Part

DATA = os.urandom(2 * MARK_BYTES + 1000)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def part(path: Path, data: bytes = DATA) -> Part:
    return Part(path, FileDigest("model.onnx", sha256(data), len(data)))


def test_its_marks_are_digests_of_its_beginnings(tmp_path: Path) -> None:
    for length in (0, 5, MARK_BYTES, 2 * MARK_BYTES + 7, len(DATA)):
        (tmp_path / "x").write_bytes(DATA[:length])
        marks = [(mark.bytes, mark.sha256) for mark in part(tmp_path / "x").marks]
        lengths = sorted({*range(MARK_BYTES, length + 1, MARK_BYTES), length} - {0})
        assert marks == [(one, sha256(DATA[:one])) for one in lengths]
        assert part(tmp_path / "x").is_whole == (length == len(DATA))
        assert part(tmp_path / "x").missing_bytes == len(DATA) - length


def test_it_goes_on_from_any_of_them(tmp_path: Path) -> None:
    for begun in (0, MARK_BYTES, MARK_BYTES + 5):
        (tmp_path / "x").write_bytes(DATA[: MARK_BYTES + 5])
        mine = part(tmp_path / "x")
        assert not mine.is_whole
        mine.receive(begun, iter([DATA[begun : begun + 3], DATA[begun + 3 :]]))
        assert mine.is_whole and (tmp_path / "x").read_bytes() == DATA


def test_what_was_cut_off_is_no_beginning_any_more(tmp_path: Path) -> None:
    """Else the digest of bytes that are gone would stand for those that took their place."""
    (tmp_path / "x").write_bytes(DATA[: 2 * MARK_BYTES])
    mine = part(tmp_path / "x")
    with pytest.raises(BadRequest, match="ended after"):
        mine.receive(MARK_BYTES, iter([b"other"]))
    with pytest.raises(BadRequest, match="cannot go on from"):
        mine.receive(2 * MARK_BYTES, iter([DATA[2 * MARK_BYTES :]]))
    assert not mine.is_whole
    mine.receive(MARK_BYTES, iter([DATA[MARK_BYTES:]]))
    assert mine.is_whole and (tmp_path / "x").read_bytes() == DATA


def test_other_bytes_are_refused_whatever_their_number(tmp_path: Path) -> None:
    mine = part(tmp_path / "x", b"abc")
    for data, kind in ((b"abd", DigestMismatch), (b"ab", BadRequest), (b"abcd", BadRequest), (b"", BadRequest)):
        with pytest.raises(kind):
            mine.receive(0, iter([data]))
        assert not mine.is_whole and len((tmp_path / "x").read_bytes()) <= 3
    mine.receive(0, iter([b"abc"]))
    assert mine.is_whole


def test_an_empty_file_arrives_too(tmp_path: Path) -> None:
    mine = part(tmp_path / "x", b"")
    mine.receive(0, iter([]))
    assert (tmp_path / "x").read_bytes() == b"" and part(tmp_path / "x", b"").is_whole
