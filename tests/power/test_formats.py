"""What every format of recordings owes: recognised by its content alone, read right however it is packed or encoded."""

import gzip
import io
from dataclasses import replace
from pathlib import Path

import pytest

from power.energy import EnergyIndex
from power.errors import TraceFormatError
from power.formats import FORMATS
from power.reading.head import Head, header_of
from power.trace import PowerTrace
from power.trace_io import read_csv, write_csv
from tests.power.samples import BASE, EACH_FORMAT

every_format = pytest.mark.parametrize("word", [format.word for format in FORMATS])


def whole_j(trace: PowerTrace) -> float:
    return EnergyIndex(trace).window(float(trace.t_s[0]), float(trace.t_s[-1])).energy_j


def test_each_has_a_file_and_a_word_of_its_own() -> None:
    words = [format.word for format in FORMATS]
    assert sorted(words) == sorted(EACH_FORMAT) and len(set(words)) == len(words)
    assert all(format.source and format.title for format in FORMATS)


@every_format
def test_no_other_takes_it_for_its_own(word: str) -> None:
    content, asked, _ = EACH_FORMAT[word]
    head = Head("x", tuple(content.split("\n")))
    takers = [
        format.word
        for format in FORMATS[:-1]
        if format.plan(head, header_of(head), replace(asked, voltage_v=5.0)) is not None
    ]
    assert takers == ([] if word == FORMATS[-1].word else [word])


@every_format
@pytest.mark.parametrize(
    "form", ["as it is", "gzip", "CRLF", "CR", "UTF-16", "mark", "cp1252", "no newline at the end"]
)
def test_its_joules_are_right(tmp_path: Path, word: str, form: str) -> None:
    content, asked, joules = EACH_FORMAT[word]
    path = tmp_path / "log"
    path.write_bytes(_bytes(content, form))
    assert whole_j(read_csv(path, asked)) == pytest.approx(joules, rel=2e-6)


def _bytes(content: str, form: str) -> bytes:
    plain = content.encode("cp1252" if form == "cp1252" else "utf-8")
    return {
        "gzip": gzip.compress(plain),
        "CRLF": plain.replace(b"\n", b"\r\n"),
        "CR": plain.replace(b"\n", b"\r"),
        "UTF-16": content.encode("utf-16"),
        "mark": b"\xef\xbb\xbf" + plain,
        "no newline at the end": plain.removesuffix(b"\n"),
    }.get(form, plain)


@every_format
def test_what_import_writes_has_the_same_joules(tmp_path: Path, word: str) -> None:
    content, asked, joules = EACH_FORMAT[word]
    path, ours = tmp_path / "log", tmp_path / "ours.csv"
    path.write_text(content)
    trace = read_csv(path, asked)
    write_csv(trace, ours)
    again = read_csv(ours)
    assert again.facts == trace.facts and again.breaks == trace.breaks
    assert whole_j(again) == pytest.approx(joules, rel=2e-6)


def test_standard_input_is_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    class Piped(io.StringIO):
        buffer = io.BytesIO(BASE.encode())

    monkeypatch.setattr("sys.stdin", Piped())
    assert len(read_csv(Path("-")).t_s) == 150


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"PK\x03\x04rest", ("Excel workbook", "save its table as CSV")),
        (b"\x89HDF\r\n", ("HDF5", "Export")),
        (bytes(range(256)) * 40, ("not a text file",)),
        (gzip.compress(BASE.encode())[:-40], ("damaged", "gzip -t")),
        (b"\x1f\x8b\x08\x00junk", ("damaged",)),
        (b"", ("line 1: the file is empty",)),
        (b"\n\n", ("is empty",)),
        (b"\0" * 5000, ("is empty",)),
        (b"time,current\n0,1\n1,1\n", ("columns 'time', 'current' do not say their units", "--units s,A")),
        (b"hello world\nthis is a letter\n", ("columns are not known",)),
    ],
)
def test_what_is_no_recording_says_what_it_is(tmp_path: Path, content: bytes, words: tuple[str, ...]) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(content)
    with pytest.raises(TraceFormatError) as caught:
        read_csv(path)
    found = f"{caught.value.message} {caught.value.remedy}"
    assert all(word in found for word in words) and len(found) < 600, found


def test_unpacking_stops_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("power.reading.source.LARGEST_UNPACKED", 10_000)
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(b"\n" * 50_000_000))
    with pytest.raises(TraceFormatError, match="when it is unpacked"):
        read_csv(path)
