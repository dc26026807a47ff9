"""What is shown on terminals of all widths: nothing is cut, and numbers and their marks stay whole."""

import contextlib
import json
import os
import re
import sys

import pytest

from groupnl_deploy.cli.console import (
    TerminalReporter,
    narrowness_told_once,
    say,
    show_error,
    show_json,
    show_prose,
    show_records,
    show_table,
    show_text,
    talk_may_be_lost,
)

HEADINGS = [("Model", False), ("Device", False), ("Time (s)", True), ("Gross/net (mJ)", True), ("Meter", True)]
ROWS = [
    [f"resnet{layers}_cifar x0.25 groupnl (released)", "local", f"0.{layers}", f"10.16/{layers}.75*", "EMULATED"]
    for layers in (18, 34, 50, 101)
]
PATH = "/home/pi/projects/measuring/.groupnl-venv/bin/python"


def shown(capsys: pytest.CaptureFixture[str], width: int) -> list[str]:
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= width
    return lines


def line_of(lines: list[str], heading: str) -> str:
    (line,) = (line for line in lines if heading in line)
    return line


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch):
    return lambda width: monkeypatch.setenv("COLUMNS", str(width))


@pytest.mark.parametrize("width", [40, 60, 80])
def test_a_table_that_is_too_wide_has_a_line_a_metric_and_a_column_a_run(width, terminal, capsys) -> None:
    terminal(width)
    show_records(HEADINGS, ROWS)
    lines = shown(capsys, width)
    blocks = sum("Model" in line for line in lines)
    for index, (heading, numeric) in enumerate(HEADINGS):
        of_heading = [line for line in lines if line.startswith(f" {heading} ")]
        assert len(of_heading) == blocks
        if numeric:
            assert " ".join(of_heading).replace(heading, "").split() == [row[index] for row in ROWS]


def test_as_many_runs_stand_side_by_side_as_fit(terminal, capsys) -> None:
    blocks = []
    for width in (34, 40, 60, 80):
        terminal(width)
        show_records(HEADINGS, ROWS)
        blocks.append(sum("Model" in line for line in shown(capsys, width)))
    assert blocks == [4, 4, 2, 2]


def test_a_table_that_fits_has_a_line_a_run(terminal, capsys) -> None:
    terminal(120)
    show_records(HEADINGS, ROWS)
    lines = shown(capsys, 120)
    for row in ROWS:
        assert re.split(" {2,}", line_of(lines, row[0]).strip()) == row


def test_a_path_is_broken_only_where_it_has_no_room_at_all(terminal, capsys) -> None:
    for width, is_whole in ((80, True), (50, False)):
        terminal(width)
        show_records([("Name", False), ("Python", False)], [["pi and more words", PATH], ["local", "python3"]])
        lines = shown(capsys, width)
        assert any(PATH in line for line in lines) is is_whole
        assert PATH in re.sub(r"\s|Python", "", "".join(lines))


@pytest.mark.parametrize("width", [60, 80, 100])
def test_a_table_beside_long_headings_keeps_the_words_that_its_rows_begin_with(width, terminal, capsys) -> None:
    terminal(width)
    networks = [f"resnet18_cifar x0.125 groupnl (released){told}" for told in ("", ", onnx", ", onnx, device local")]
    headings = [("Corruption", False), ("Category", False), *((name, True) for name in networks)]
    rows = [("elastic_transform", "digital", "24.00", "25.00", "26.00"), ("spatter +", "weather", *["100.00"] * 3)]
    show_table(headings, rows, wraps=True)
    lines = shown(capsys, width)
    parts = [line.split() for line in lines if "elastic_transform" in line]
    assert all(part[:2] == ["elastic_transform", "digital"] for part in parts)
    assert [number for part in parts for number in part[2:]] == ["24.00", "25.00", "26.00"]
    assert " ".join(lines).count("groupnl") == len(networks)


def test_nothing_to_show_is_an_empty_table(terminal, capsys) -> None:
    terminal(20)
    show_records(HEADINGS, [])
    assert "Model" in capsys.readouterr().out


def test_sentences_are_wrapped_between_words_and_paths_stay_whole(terminal, capsys) -> None:
    terminal(60)
    sentence = f"The measurements until then are kept in a place that may be far away, in {PATH}."
    show_prose(sentence)
    lines = shown(capsys, 60)
    assert len(lines) == 3 and " ".join(lines) == sentence


def test_a_pipe_gets_sentences_on_one_line(monkeypatch, capsys) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    show_prose("word " * 100 + "end")
    assert capsys.readouterr().out.count("\n") == 1


@pytest.mark.parametrize(("width", "detail"), [(40, "check, image"), (80, "check, image 1000 of 1000")])
def test_the_clock_of_the_progress_line_is_never_cut_and_the_name_is_first(
    width, detail, terminal, monkeypatch, capsys
) -> None:
    terminal(width)
    monkeypatch.setenv("FORCE_COLOR", "1")
    with TerminalReporter().task("bench a network with a long name on a board with a long name") as tell:
        tell(1.0, 2.0, "check, image 1000 of 1000")
    said = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", capsys.readouterr().err)
    assert re.search(rf" \d:\d\d:\d\d .* b.*… {detail}", said)


def test_of_several_tables_in_a_narrow_terminal_that_is_said_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    with narrowness_told_once():
        show_records(HEADINGS, ROWS)
        show_records(HEADINGS, ROWS)
        show_table([("Layer", False), *((f"Number no. {n}", True) for n in range(9))], [["conv1", *"123456789"]])
        assert "60 columns wide" not in capsys.readouterr().err
    said = capsys.readouterr().err
    assert said.count("60 columns wide") == 1 and "each row is a column" in said and "goes on below" in said


@pytest.mark.parametrize("columns", [60, 80])
def test_a_narrow_terminal_says_how_to_have_the_table_in_one_piece(
    columns: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    show_records(HEADINGS, ROWS)
    assert f"The terminal is {columns} columns wide, so each row is a column;" in capsys.readouterr().err
    show_table([("Layer", False), *((f"Number no. {n}", True) for n in range(9))], [["conv1", *"123456789"]])
    said = capsys.readouterr()
    assert "goes on below" in said.err and "--json" in said.err and said.out.count("conv1") > 1
    show_table([("Layer", False)], [["conv1"]])
    assert capsys.readouterr().err == ""


EVIL = "cat\x1b]0;owned\x07\x9b2J\u202egpj\udcff"


def test_a_name_that_would_command_the_terminal_is_shown_without_its_codes(capsys) -> None:
    show_text(EVIL)
    show_prose(EVIL)
    show_table([(EVIL, False)], [[EVIL]])
    show_records(HEADINGS, [[EVIL] * len(HEADINGS)])
    say(EVIL)
    show_error(EVIL, EVIL)
    with TerminalReporter().task(EVIL):
        TerminalReporter().note(EVIL)
    said = capsys.readouterr()
    assert "cat�" in said.out and "cat�" in said.err
    assert not re.search(r"[^\n\x20-\x7e\u00a0-\uffff]|\u202e|\udcff", said.out + said.err)


def test_json_keeps_such_a_name_and_escapes_it(capsys) -> None:
    show_json({"label": EVIL, "class": "Käse 猫"})
    out = capsys.readouterr().out
    assert json.loads(out) == {"label": EVIL, "class": "Käse 猫"} and "Käse 猫" in out
    assert not re.search(r"[\x1b\x9b\u202e\udcff]", out)


def test_talk_may_be_lost_where_its_reader_has_left(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    gone = os.fdopen(writer, "w")
    monkeypatch.setattr(sys, "stderr", gone)
    with talk_may_be_lost():
        say("is lost")
        with TerminalReporter().task("goes on") as task:
            task(1.0, 2.0)
    with contextlib.suppress(BrokenPipeError):
        gone.close()
