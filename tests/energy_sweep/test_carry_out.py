"""A sweep goes on where it was interrupted, keeps what it has, and gives the law of its runs back."""

from dataclasses import replace
from pathlib import Path

import pytest

from device_agent.settings import Settings
from groupnl_deploy.bench.run_set import load_set
from groupnl_deploy.energy_model.additive_law import AdditiveLaw
from groupnl_deploy.energy_model.layer import LayerShape
from groupnl_deploy.energy_model.model import fit
from groupnl_deploy.energy_model.sweep import OtherKey
from groupnl_deploy.energy_model.sweep_file import read_sweep
from groupnl_deploy.energy_sweep.carry_out import SweepDone, carry_out
from groupnl_deploy.energy_sweep.measured import window
from groupnl_deploy.energy_sweep.plan import SweepPlan
from groupnl_deploy.errors import Stopped, UsageError
from groupnl_deploy.progress import Silence
from tests.bench.test_board_rules import STATE
from tests.energy_model.synthetic import SHAPES
from tests.energy_sweep.made_sweep import KEY, Bench, plan_of, recording, run_of, without_artifacts

LAW = AdditiveLaw(base=4e-5, per_mac=2e-11, per_narrow_activation=3e-9, per_group=2e-7)
SEVERAL = tuple(LayerShape(size, size, 3, side, side) for size, side in ((32, 28), (64, 28), (64, 14), (128, 7)))
SMALL = (LayerShape(4, 4, 3, 8, 8), LayerShape(8, 8, 3, 4, 4))


class Told(Silence):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture(autouse=True)
def no_artifacts(monkeypatch: pytest.MonkeyPatch) -> None:
    without_artifacts(monkeypatch)


def swept(plan: SweepPlan, out: Path, bench: Bench, told: Told | None = None) -> SweepDone:
    return carry_out(plan, out, bench, told or Told())


def linear(shape: LayerShape, groups: int) -> float:
    return 1e-4 * groups


@pytest.mark.parametrize("meter", ["km003c", None])
def test_the_law_of_the_runs_is_within_the_intervals_of_the_fit(meter: str | None, tmp_path: Path) -> None:
    """From the recordings of a meter, net of idle, or from latencies; whole frames of twenty copies and two images."""
    plan = plan_of(SEVERAL, repeats=4, meter=meter, key=replace(KEY, batch=2))
    done = swept(plan, tmp_path / "sweep", Bench(plan, LAW.cost, scatter=0.02))
    assert done.record is not None and not done.unsound and not done.lacking
    sweep = read_sweep(done.record)
    assert (sweep.quantity, sweep.meter, sweep.emulated) == (
        ("energy", meter, True) if meter else ("time", None, False)
    )
    assert sweep.key == plan.key and sweep.windows == 4 and len(sweep.points) == len(plan.cells)
    found = {one.parameter: one for one in fit(sweep).intervals if one.rule == "additive"}
    for name, value in vars(LAW).items():
        assert found[name].low <= value <= found[name].high, name


@pytest.mark.parametrize("meter", ["km003c", None])
def test_without_scatter_a_cost_is_exactly_the_laws(meter: str | None, tmp_path: Path) -> None:
    plan = plan_of(SHAPES[4:5], meter=meter)
    for cell in swept(plan, tmp_path / "sweep", Bench(plan, LAW.cost)).cells:
        (cost,) = cell.sound
        assert cost == pytest.approx(LAW.cost(cell.shape, cell.groups), rel=1e-5)


def test_every_round_has_every_cell_once_in_an_order_that_is_drawn_and_kept(tmp_path: Path) -> None:
    plan = plan_of(SMALL, repeats=2)
    bench = Bench(plan, linear)
    swept(plan, tmp_path / "sweep", bench)
    names = [plan.member(label, "").name for label in plan.labels]
    assert sorted(bench.made[:7]) == sorted(f"{name}-run1" for name in names)
    assert sorted(bench.made[7:]) == sorted(f"{name}-run2" for name in names)
    kept = load_set(tmp_path / "sweep")
    assert list(kept.order) == bench.made and kept.seed >= 0


def test_an_interrupted_sweep_goes_on_in_its_order(tmp_path: Path) -> None:
    plan, out, told = plan_of(SMALL, repeats=2), tmp_path / "sweep", Told()
    first = Bench(plan, linear, fails={6: KeyboardInterrupt()})
    with pytest.raises(Stopped) as stopped:
        swept(plan, out, first)
    assert "5 of 14 runs are finished" in stopped.value.remedy and "run the command again" in stopped.value.remedy
    second = Bench(plan, linear)
    done = swept(plan, out, second, told)
    assert first.made + second.made == list(load_set(out).order) and len(second.made) == 9
    assert any("9 runs of" in text for text in told.notes) and any(text.endswith("left.") for text in told.notes)
    assert all(len(cell.sound) == 2 for cell in done.cells)
    third = Bench(plan, linear)
    assert swept(plan, out, third) == done and not third.made, "one that is whole measures nothing"


def test_nothing_is_lost_where_the_first_run_fails(tmp_path: Path) -> None:
    plan, out = plan_of(SMALL), tmp_path / "sweep"
    with pytest.raises(UsageError, match="no good"):
        swept(plan, out, Bench(plan, linear, fails={1: UsageError("It is no good.", "Mend it.")}))
    assert len(swept(plan, out, Bench(plan, linear)).cells) == 7


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"device": "other"}, "device pi there, other asked for"),
        ({"shapes": SMALL[:1]}, "layers 4x8x8x3,8x4x4x3 there, 4x8x8x3 asked for"),
        ({"key": replace(KEY, runtime="onnxruntime 1.23.0")}, "runtime onnxruntime 1.22.0 there, onnxruntime 1.23.0"),
        ({"key": replace(KEY, threads=1)}, "threads 4 there, 1 asked for"),
        ({"key": replace(KEY, batch=4)}, "batch 1 there, 4 asked for"),
        ({"key": replace(KEY, clock_mhz=None)}, "clock mhz 1500 there, not fixed asked for"),
        ({"repeats": 3}, "repeats 1 there, 3 asked for"),
        ({"meter": "km003c", "emulated": True}, r"meter none there, km003c \(emulated\) asked for"),
        ({"settings": Settings(4)}, "idle s 5 there, 10 asked for"),
    ],
)
def test_another_command_is_refused_with_the_difference(change, says: str, tmp_path: Path) -> None:
    plan, out = plan_of(SMALL), tmp_path / "sweep"
    done = swept(plan, out, Bench(plan, linear))
    other = replace(plan, **change)
    with pytest.raises(UsageError, match=says):
        swept(other, out, Bench(other, linear))
    assert swept(plan, out, Bench(plan, linear)) == done


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letters").mkdir()
    with pytest.raises(UsageError, match="exists already"):
        swept(plan_of(SMALL), tmp_path / "letters", Bench(plan_of(SMALL), linear))
    assert not any((tmp_path / "letters").iterdir())


def test_an_invalid_run_is_in_no_fit_until_it_is_measured_again(tmp_path: Path) -> None:
    plan, out, told = plan_of(SMALL), tmp_path / "sweep", Told()
    bench = Bench(plan, linear, slow={3: 20, 5: 20})
    done = swept(plan, out, bench, told)
    assert {one.run for one in done.unsound} == {bench.made[2], bench.made[4]} and len(done.lacking) == 2
    assert done.unsound[0].cost is not None, "it is recorded all the same"
    said = [text for text in told.notes if "is INVALID, and in no fit" in text]
    assert len(said) == 2 and "p99" in said[0]
    assert done.record is not None and len(read_sweep(done.record).points) == 5
    again = Bench(plan, linear)
    mended = swept(plan, out, again)
    assert set(again.made) == {bench.made[2], bench.made[4]} and not mended.unsound
    assert mended.record is not None and len(read_sweep(mended.record).points) == 7
    assert len(list((out / "replaced").iterdir())) == 2, "nothing is deleted"


def test_where_every_run_is_invalid_there_is_no_file_for_a_fit(tmp_path: Path) -> None:
    plan = plan_of(SMALL)
    done = swept(plan, tmp_path / "sweep", Bench(plan, linear, slow=dict.fromkeys(range(1, 8), 20)))
    assert done.record is None and len(done.lacking) == 7 and not (tmp_path / "sweep" / "sweep.json").exists()


def test_a_device_that_changes_on_the_way_stops_the_sweep_and_nothing_is_lost(tmp_path: Path) -> None:
    plan, out = plan_of(SMALL), tmp_path / "sweep"
    bench = Bench(plan, linear, keys={4: replace(KEY, runtime="onnxruntime 1.23.0")})
    with pytest.raises(OtherKey, match=r"onnxruntime 1\.23\.0.*the sweep is of.*onnxruntime 1\.22\.0"):
        swept(plan, out, bench)
    again = Bench(plan, linear)
    assert not swept(plan, out, again).unsound
    assert len(again.made) == 4 and bench.made[3] in again.made


def test_a_damaged_run_is_measured_again(tmp_path: Path) -> None:
    plan, out = plan_of(SMALL), tmp_path / "sweep"
    bench = Bench(plan, linear)
    swept(plan, out, bench)
    (out / "runs" / bench.made[0] / "run.json").write_text("{}")
    again = Bench(plan, linear)
    assert not swept(plan, out, again).unsound and again.made == bench.made[:1]


def test_clock_temperature_and_throttling_are_told_and_a_throttled_run_is_in_no_fit() -> None:
    plan = plan_of(SMALL)
    states = tuple(replace(STATE, at_ns=round(at * 1e9), throttled=4, temperature_c=81.0) for at in (10.0, 12.0))
    found = window(run_of(0.002, states=states), None, "a", plan)
    assert (found.clock_mhz, found.hottest_c, found.throttled) == (1500.0, 81.0, ("throttling",))
    assert any("throttling" in one for one in found.problems)


def test_joules_that_are_not_above_idle_are_no_cost() -> None:
    found = window(run_of(0.01), recording(-1e-4), "a", plan_of(SMALL, meter="km003c"))
    assert found.cost is None and found.problems == ("its energy net of idle is not above zero",)


def test_an_emulated_board_has_no_cost() -> None:
    plan = plan_of(SMALL, key=replace(KEY, board=f"{KEY.board} [emulated]"))
    board = replace(run_of(0.01).result.board_before, emulated=True)
    found = window(run_of(0.01, board_before=board), None, "a", plan)
    assert found.cost is None and "an emulated board has neither time nor energy" in found.problems
