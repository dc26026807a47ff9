"""A run on an emulated board says so in every form, and none has a speed, a memory or joules of an inference."""

import csv
import dataclasses
import io
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from groupnl_deploy.bench.run import save_run
from groupnl_deploy.cli.main import app
from groupnl_deploy.report.build import Report, build_report
from groupnl_deploy.report.render import render
from groupnl_deploy.report.row import ReportRow, build_row
from groupnl_deploy.report.run_caption import run_caption
from groupnl_deploy.report.tables import EMULATED_BOARD_NOTE, columns, notes
from tests.report.test_invalid_runs import make_run as noisy_run
from tests.report.test_report import make_run, make_trace

NUMBERS = ("time_s", "fps", "energy_wh", "energy_j", "net_energy_j", "first_inference_ms", "memory_mb")


def row(emulated: bool | None, name: str = "run") -> ReportRow:
    run = make_run()
    board = dataclasses.replace(run.result.board_before, model="Raspberry Pi 4", emulated=emulated)
    result = dataclasses.replace(run.result, board_before=board)
    return build_row(dataclasses.replace(run, result=result), make_trace(), name)


def test_a_report_of_emulated_boards_has_no_column_of_speed() -> None:
    report = Report((row(True),))
    headings = [column.heading for column in columns(report)]
    assert not {"Time (s)", "Avg. FPS", "p50/p99 (ms)", "Mem. (MB)"} & {*headings}
    assert "Acc. (%)" in headings
    assert EMULATED_BOARD_NOTE in notes(report)
    assert "board Raspberry Pi 4 [emulated]" in notes(report)[0]
    assert not any("100 images" in note for note in notes(report))


def test_beside_a_board_its_cells_say_emulated_in_place_of_numbers() -> None:
    report = Report((row(True, "pretended"), row(False, "real")))
    cells = {column.heading: [column.cell(one) for one in report.rows] for column in columns(report)}
    assert cells["Board"] == ["Raspberry Pi 4 [emulated]", "Raspberry Pi 4"]
    for heading in ("Time (s)", "Avg. FPS", "p50/p99 (ms)", "Mem. (MB)", "Energy (Wh)", "Gross/net (mJ)"):
        pretended, real = cells[heading]
        assert pretended == "emulated"
        assert any(letter.isdigit() for letter in real)


def test_no_copy_of_it_has_a_number_to_be_taken_for_a_measurement() -> None:
    report = Report((row(True),))
    document = json.loads(render(report, "json"))["rows"][0]
    line = next(csv.DictReader(io.StringIO(render(report, "csv"))))
    assert document["emulated_board"] is True
    assert [document[name] for name in (*NUMBERS, "latency")] == [None] * (len(NUMBERS) + 1)
    assert [line[name] for name in (*NUMBERS, "p50_ms", "max_ms")] == [""] * (len(NUMBERS) + 2)
    assert "EMULATED BOARD" in str(report.rows[0])
    assert " ms" not in run_caption(report.rows[0])
    assert "[emulated]" in run_caption(report.rows[0])


@pytest.mark.parametrize("emulated", [True, False])
def test_noise_makes_a_run_on_a_board_invalid_and_says_nothing_of_an_emulated_one(
    tmp_path: Path, emulated: bool
) -> None:
    run = noisy_run(noisy=True, others=2.0, throttled=0x50005)
    board = dataclasses.replace(run.result.board_before, emulated=emulated)
    save_run(
        tmp_path / "run", dataclasses.replace(run, result=dataclasses.replace(run.result, board_before=board)), None
    )
    done = CliRunner().invoke(app, ["report", str(tmp_path / "run")])
    shown = " ".join(done.output.split())
    (one,) = build_report([tmp_path / "run"]).rows
    assert (done.exit_code, one.valid) == ((0, True) if emulated else (6, False))
    assert ("run: not judged: the board is emulated, and has no time of its own." in shown) == emulated
    assert {check.verdict for check in one.checks} == ({"not judged"} if emulated else {"invalid", "sound"})
    assert (one.fps is None) == emulated


def test_a_board_that_cannot_tell_counts_as_one() -> None:
    unknown = row(None)
    assert not unknown.emulated_board
    assert unknown.fps is not None
