"""However a table is written, the reader gives the joules that stand in it or refuses it; never another number."""

from pathlib import Path

import hypothesis
import pytest
from hypothesis import HealthCheck, event, given, settings

from power.energy import EnergyIndex
from power.errors import MethodUnclear, SampleGap, TraceFormatError, WindowNotCovered
from power.trace_io import read_csv
from tests.power.dialects import Written, recordings

REFUSALS = (TraceFormatError, SampleGap, MethodUnclear, WindowNotCovered)
ROUNDED, EDGE_J = 2e-6, 5e-6  # of the joules; and what a quarter of a microsecond is, the step of a clock since 1970
MANY = hypothesis.settings.default.max_examples > 100  # as `make test-all` asks for
either = settings(
    max_examples=10_000 if MANY else 50,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)


def whole_j(path: Path, file: Written) -> float:
    path.write_bytes(file.content)
    trace = read_csv(path, file.asked)
    return EnergyIndex(trace).window(float(trace.t_s[0]), float(trace.t_s[-1])).energy_j


def is_right(joules: float, file: Written) -> bool:
    return any(joules == pytest.approx(right, rel=ROUNDED, abs=EDGE_J) for right in file.joules)


@either
@given(file=recordings())
def test_never_another_number(tmp_path: Path, file: Written) -> None:
    try:
        joules = whole_j(tmp_path / "x", file)
    except REFUSALS as error:
        event(f"refused: {type(error).__name__}")
        assert error.message and error.remedy and len(error.message) < 700
    else:
        event("read")
        assert is_right(joules, file), (joules, file.joules)


@either
@given(file=recordings(clear=True))
@pytest.mark.slow
def test_what_can_be_nothing_else_is_read(tmp_path: Path, file: Written) -> None:
    assert is_right(whole_j(tmp_path / "x", file), file)
