"""What a benchmark needed of memory: which phases count to which number."""

import dataclasses

from device_agent.messages.bench import MemoryUse, Phase, PhaseSpan
from groupnl_deploy.bench.memory import memory_need
from groupnl_deploy.bench.result import BenchResult
from groupnl_deploy.report.build import Report
from groupnl_deploy.report.row import build_row
from groupnl_deploy.report.tables import table_of
from tests.bench.test_board_rules import made


def with_memory(peaks: dict[Phase, int | None]) -> BenchResult:
    """40 bytes resident behind the load, and these peaks; 50 in every other phase."""
    result = made().result
    names: list[Phase] = [*(span.phase for span in result.phases), "profile"]
    spans = [PhaseSpan(name, 0, 1, None, MemoryUse(40, 30, peaks.get(name, 50), 0, 0)) for name in names]
    return dataclasses.replace(result, phases=tuple(spans))


def test_what_loading_takes_for_a_while_is_a_peak_and_no_working_set() -> None:
    need = memory_need(with_memory({"load": 90, "steady": 70}))
    assert (need.after_load, need.peak, need.working_set) == (40, 90, 30)


def test_the_profile_behind_it_all_is_in_neither() -> None:
    need = memory_need(with_memory({"profile": 99}))
    assert (need.peak, need.working_set) == (50, 10)


def test_what_the_kernel_does_not_tell_is_null() -> None:
    need = memory_need(with_memory(dict.fromkeys([span.phase for span in made().result.phases])))
    assert (need.after_load, need.peak, need.working_set) == (40, None, None)


def test_a_board_without_a_peak_has_a_dash_in_its_table_and_is_not_called_emulated() -> None:
    result = with_memory(dict.fromkeys([span.phase for span in made().result.phases]))
    run = dataclasses.replace(made(), result=dataclasses.replace(result, phases=result.phases[:-1]))
    row = build_row(run, None, "run")
    cells = {column.heading: column.cell(row) for column in table_of(Report((row,))).columns}
    assert cells["Mem. (MB)"] == "–"
    assert "MB" not in str(row)
