"""A sweep is read from its record and from a user's table, and what is wrong in either says so."""

from pathlib import Path

import pytest

from device_agent.strict import from_json, to_json
from groupnl_deploy.energy_model.layer import LayerShape
from groupnl_deploy.energy_model.sweep import OtherKey, Sweep
from groupnl_deploy.energy_model.sweep_file import read_sweep
from groupnl_deploy.errors import GroupNLError, UsageError, VerificationFailed
from tests.energy_model.synthetic import SHAPES, sweep_of

HEAD = "in_channels,out_channels,kernel,height,width,groups,energy_mj,board,clock_mhz,threads,runtime,meter"
LINE = "64,64,3,28,28,{groups},{cost},Pi 4,1500,4,onnxruntime 1.22.0,km003c"


def table(folder: Path, *lines: str, head: str = HEAD) -> Path:
    path = folder / "layers.csv"
    path.write_text("\n".join([head, *lines]) + "\n", encoding="utf-8")
    return path


def test_a_record_is_read_back(tmp_path: Path) -> None:
    sweep = sweep_of(lambda shape, groups: 1e-3 * groups, shapes=SHAPES[:2], scatter=0.1)
    (tmp_path / "sweep.json").write_text(to_json(sweep), encoding="utf-8")
    assert read_sweep(tmp_path / "sweep.json") == sweep == from_json(Sweep, to_json(sweep))


def test_rows_of_the_same_layer_and_groups_are_its_windows(tmp_path: Path) -> None:
    rows = [LINE.format(groups=groups, cost=cost) for groups, cost in ((2, 1.5), (4, 2), (2, 2.5))]
    sweep = read_sweep(table(tmp_path, *rows))
    first, second = sweep.points
    assert first.shape == LayerShape(64, 64, 3, 28, 28) and (first.groups, second.groups) == (2, 4)
    assert first.values == (0.0015, 0.0025) and second.values == (0.002,)
    assert (sweep.quantity, sweep.meter, sweep.emulated) == ("energy", "km003c", False)
    assert str(sweep.key) == "Pi 4, 1500 MHz, 4 threads, onnxruntime 1.22.0, float32, forward, batch 1"


def test_time_stands_in_where_there_is_no_meter(tmp_path: Path) -> None:
    head = HEAD.replace("energy_mj", "time_ms").removesuffix(",meter")
    sweep = read_sweep(table(tmp_path, LINE.format(groups=2, cost=3).removesuffix(",km003c"), head=head))
    assert (sweep.quantity, sweep.meter) == ("time", None) and sweep.points[0].values == (0.003,)


@pytest.mark.parametrize(
    ("lines", "head", "kind", "says"),
    [
        ([], HEAD, UsageError, "has no row with a cost"),
        ([LINE], HEAD.replace("groups", "grups"), UsageError, "lacks the column groups"),
        ([LINE], HEAD + ",colour", UsageError, "a column “colour” that is none of ours"),
        ([LINE], HEAD.replace("energy_mj,", ""), UsageError, "one of the columns energy_mj and time_ms"),
        ([LINE.replace("64,64", "64,many")], HEAD, UsageError, "line 2: .*many"),
        ([LINE.format(groups=3, cost=1)], HEAD, UsageError, "3 groups do not divide"),
        ([LINE.format(groups=2, cost=-1)], HEAD, UsageError, "not above 0"),
        ([LINE, LINE.replace("Pi 4", "Pi 5")], HEAD, OtherKey, "board is “Pi 4” and “Pi 5”"),
        ([LINE, LINE.replace("1500", "600")], HEAD, OtherKey, "clock_mhz is “1500” and “600”"),
        ([LINE.replace(",km003c", ",")], HEAD, UsageError, "the quantity is energy, and the meter None"),
        ([LINE.replace("Pi 4", "")], HEAD, UsageError, "board is empty"),
        ([LINE.replace(",3,28", ",,28")], HEAD, UsageError, "line 2: the column kernel is empty"),
        ([LINE + ",maybe"], HEAD + ",emulated", UsageError, "emulated “maybe”; known are no, yes"),
    ],
)
def test_what_is_wrong_in_a_table_is_said(
    tmp_path: Path, lines: list[str], head: str, kind: type[GroupNLError], says: str
) -> None:
    with pytest.raises(kind, match=says) as caught:
        read_sweep(table(tmp_path, *(line.format(groups=2, cost=1) for line in lines), head=head))
    assert caught.value.remedy


def test_what_is_no_sweep_is_refused(tmp_path: Path) -> None:
    (tmp_path / "sweep.json").write_text('{"schema_version": 1, "points": []}')
    with pytest.raises(VerificationFailed, match="missing key"):
        read_sweep(tmp_path / "sweep.json")
    with pytest.raises(UsageError, match="is no file"):
        read_sweep(tmp_path / "none.csv")


def test_another_key_is_refused_with_what_to_do() -> None:
    key = sweep_of(lambda shape, groups: 1.0, shapes=SHAPES[:1]).key
    key.require(board="Board 1", threads=4, clock_mhz=1500, runtime=None)
    for asked in ({"board": "Pi 5"}, {"threads": 1}, {"clock_mhz": 600.0}, {"passes": "forward+backward"}):
        with pytest.raises(OtherKey, match="is asked for") as caught:
            key.require(**asked)
        assert "energy-model fit" in caught.value.remedy
    with pytest.raises(
        OtherKey, match="of the board “Board 1”, and “Pi 5” is asked for; of the clock “1500 MHz”"
    ) as caught:
        key.require(board="Pi 5", clock_mhz=600.0, threads=4)
    assert "leave --board and --clock out" in caught.value.remedy
