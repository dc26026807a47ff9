"""Marks beside a recording: what is written is read, and nothing else is."""

import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from power.errors import MeterSettingError, TraceFormatError, TraceNotWritten
from power.marks import Mark, add_mark, clean_label, marks_path, one_mark, read_marks


def test_a_recording_without_marks_has_none(tmp_path: Path) -> None:
    assert read_marks(tmp_path / "trace.csv") == ()


def test_marks_come_back_by_time_and_stand_in_a_file_of_their_own(tmp_path: Path) -> None:
    recording = tmp_path / "power.csv"
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    add_mark(recording, Mark(7.25, 'second, with "quotes"'), at)
    add_mark(recording, Mark(1.5, "first"), at)
    assert read_marks(recording) == (Mark(1.5, "first"), Mark(7.25, 'second, with "quotes"'))
    assert not recording.exists()
    assert (tmp_path / "power.marks.csv").read_text() == (
        "# schema_version: 1\nt_s,label,marked_at\n"
        '7.250000,"second, with ""quotes""",2026-01-02T03:04:05+00:00\n'
        "1.500000,first,2026-01-02T03:04:05+00:00\n"
    )


@given(st.text(max_size=60))
def test_any_label_becomes_one_printable_line_and_stays_it(text: str) -> None:
    label = clean_label(text)
    assert label.isprintable() and clean_label(label) == label and label == label.strip()


@pytest.mark.parametrize("label", ["=1+1", "a,b;c", '"', "ümläut ✓", "\\n", "two\nlines\tand a tab"])
def test_any_label_is_read_as_it_was_kept(tmp_path: Path, label: str) -> None:
    add_mark(tmp_path / "trace.csv", Mark(1.0, label))
    assert read_marks(tmp_path / "trace.csv") == (Mark(1.0, clean_label(label)),)


@pytest.mark.parametrize("label", ["", " \n"])
def test_an_empty_label_is_refused_and_leaves_no_file(tmp_path: Path, label: str) -> None:
    with pytest.raises(MeterSettingError, match="empty"):
        add_mark(tmp_path / "trace.csv", Mark(1.0, label))
    assert not marks_path(tmp_path / "trace.csv").exists()


def test_a_label_that_is_too_long_is_refused_with_the_most_there_can_be(tmp_path: Path) -> None:
    with pytest.raises(MeterSettingError, match="81 letters") as caught:
        add_mark(tmp_path / "trace.csv", Mark(1.0, "x" * 81))
    assert "1 to 80 letters" in caught.value.remedy


def test_a_row_that_was_cut_is_no_mark_and_the_next_one_takes_its_place(tmp_path: Path) -> None:
    recording = tmp_path / "trace.csv"
    add_mark(recording, Mark(1.0, "whole"))
    path = marks_path(recording)
    path.write_text(path.read_text() + "2.0,cu")
    assert read_marks(recording) == (Mark(1.0, "whole"),)
    add_mark(recording, Mark(3.0, "next"))
    assert read_marks(recording) == (Mark(1.0, "whole"), Mark(3.0, "next"))


def test_many_who_mark_at_once_lose_none(tmp_path: Path) -> None:
    recording = tmp_path / "trace.csv"
    threads = [threading.Thread(target=add_mark, args=(recording, Mark(float(n), f"mark {n}"))) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert read_marks(recording) == tuple(Mark(float(n), f"mark {n}") for n in range(8))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("label,t_s\nx,soon\n", "line 2: t_s: 'soon' is not a number"),
        ("label,t_s\nx,nan\n", "line 2: t_s: 'nan' is not a finite number"),
        ("time,label\n1,x\n", "line 1: the columns t_s and label"),
        ("# schema_version: 2\nt_s,label\n1,x\n", "line 1: the marks are of version 2"),
    ],
)
def test_a_file_that_holds_no_marks_names_its_line(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "trace.marks.csv").write_text(text)
    with pytest.raises(TraceFormatError, match=words):
        read_marks(tmp_path / "trace.csv")


def test_marks_written_by_hand_need_the_two_columns_alone(tmp_path: Path) -> None:
    (tmp_path / "trace.marks.csv").write_text("label,t_s\n\x1b[2Jred,2\n")
    assert read_marks(tmp_path / "trace.csv") == (Mark(2.0, "\\x1b[2Jred"),)


def test_a_mark_is_found_by_its_label_where_there_is_one_of_it(tmp_path: Path) -> None:
    recording = tmp_path / "trace.csv"
    with pytest.raises(MeterSettingError, match="has no mark “on”") as caught:
        one_mark(recording, "on")
    assert "groupnl power mark LABEL" in caught.value.remedy
    for mark in (Mark(1.0, "on"), Mark(2.0, "off"), Mark(3.0, "off")):
        add_mark(recording, mark)
    assert one_mark(recording, " on ") == Mark(1.0, "on")
    with pytest.raises(MeterSettingError, match=r"2 marks “off”: at 2\.000 s, 3\.000 s"):
        one_mark(recording, "off")
    with pytest.raises(MeterSettingError) as caught:
        one_mark(recording, "of")
    assert caught.value.remedy == "Its marks are “on”, “off”, “off”."


def test_a_folder_that_is_not_there_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(TraceNotWritten, match="No such file"):
        add_mark(tmp_path / "away" / "trace.csv", Mark(1.0, "x"))


@pytest.mark.parametrize("row", ['2.0,"', "2.0,"])
def test_a_cell_without_end_is_refused_by_its_line(tmp_path: Path, row: str) -> None:
    recording = tmp_path / "trace.csv"
    add_mark(recording, Mark(1.0, "first"))
    with marks_path(recording).open("a") as file:
        file.write(f"{row}{'x' * 200_000}\n")
    with pytest.raises(TraceFormatError, match="line 4: field larger"):
        read_marks(recording)
