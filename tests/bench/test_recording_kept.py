"""Whatever ends a metered benchmark early, what was recorded stays beside the run that there will not be."""

from collections.abc import Callable
from pathlib import Path

import pytest

from groupnl_deploy.bench.meter import MeterPlan, start_metering
from groupnl_deploy.bench.unfinished import unfinished_run
from groupnl_deploy.cli.exits import explain
from groupnl_deploy.errors import DeviceFault, DeviceUnreachable, DiskFull, UsageError
from power.errors import MeterUnreachable, WindowNotCovered
from power.trace_io import read_csv

ENDS = [
    (DeviceFault("The agent fell over.", "Run it again."), 1),
    (DeviceUnreachable("The connection broke.", "Check it."), 3),
    (MeterUnreachable("The meter is gone.", "Plug it in."), 3),
    (WindowNotCovered("No measurement came.", "Wait longer."), 6),
    (DiskFull("The disk is full.", "Free some space."), 1),
    (KeyboardInterrupt(), 1),
]


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def record(said: list[str]) -> Callable[..., None]:
    """Record a steady load beside the run `out`, three rows or none, then end as told."""

    def record(out: Path, end: BaseException | None, rows: int = 3) -> None:
        plan = MeterPlan("synthetic", "steady:5V,1A")
        with unfinished_run(out, said.append) as run, start_metering(plan, run.recording) as metering:
            totals = None
            while rows and (totals is None or totals.rows < rows):
                metering.recorder.wait(0.01)
                totals = metering.recorder.totals
            if end is not None:
                raise end

    return record


@pytest.mark.parametrize(("end", "exit_code"), ENDS, ids=lambda value: type(value).__name__)
def test_whatever_ends_it_the_measurements_stay_and_the_error_is_the_same(
    record, said, tmp_path, end, exit_code
) -> None:
    with pytest.raises(type(end)) as caught:
        record(tmp_path / "run", end)
    assert caught.value is end and explain(end).exit_code == exit_code
    assert said == [f"The measurements until then are kept in {tmp_path / 'run.power.csv'}."]
    assert len(read_csv(tmp_path / "run.power.csv").t_s) >= 3


def test_nothing_kept_before_is_replaced(record, tmp_path: Path) -> None:
    nowhere = tmp_path / "run.power-2.csv"
    (tmp_path / "run.power.csv").write_text("precious")
    nowhere.symlink_to("nowhere")
    with pytest.raises(KeyboardInterrupt):
        record(tmp_path / "run", KeyboardInterrupt())
    assert (tmp_path / "run.power.csv").read_text() == "precious" and nowhere.is_symlink()
    assert len(read_csv(tmp_path / "run.power-3.csv").t_s) >= 3


def test_a_benchmark_that_ends_well_leaves_its_run_alone(record, said, tmp_path: Path) -> None:
    record(tmp_path / "run", None)
    assert list(tmp_path.iterdir()) == [] and said == []


def test_a_recording_without_a_row_is_not_worth_a_file(said: list[str], tmp_path: Path) -> None:
    with (
        pytest.raises(MeterUnreachable),
        unfinished_run(tmp_path / "run", said.append) as run,
        start_metering(MeterPlan("km003c", str(tmp_path / "no-port")), run.recording),
    ):
        pytest.fail("there is no such meter")
    assert list(tmp_path.iterdir()) == [] and said == []


def test_a_place_that_cannot_be_written_shows_before_anything_is_measured(said: list[str], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="Cannot write"), unfinished_run(tmp_path / "file" / "run", said.append):
        pytest.fail("there is no such folder")


def test_the_file_has_the_rows_while_the_benchmark_goes_on(said: list[str], tmp_path: Path) -> None:
    plan = MeterPlan("synthetic", "steady:5V,1A")
    with unfinished_run(tmp_path / "run", said.append) as run, start_metering(plan, run.recording) as metering:
        while metering.recorder.totals is None:
            metering.recorder.wait(0.01)
        assert len(read_csv(run.recording).t_s) >= 1
