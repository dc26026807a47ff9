"""The kernel's counters, from recorded files and from this machine."""

import time
from pathlib import Path

import pytest

from device_agent.processor import read_processor, use_between

STAT = """\
cpu  {user} 5 30 1000 {iowait} 2 3 {steal} 70 0
cpu0 50 5 15 500 1 1 2 2 35 0
cpu1 50 0 15 500 1 1 1 2 35 0
intr 12345 0 0
ctxt 999
"""


def write(root: Path, **files: str) -> Path:
    for name, text in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def stat(root: Path, user: int = 100, iowait: int = 2, steal: int = 4) -> Path:
    return write(root, proc__stat=STAT.format(user=user, iowait=iowait, steal=steal))


def test_the_machines_time_is_that_of_all_cores(tmp_path: Path) -> None:
    before = read_processor(stat(tmp_path))
    after = read_processor(stat(tmp_path, user=250, iowait=5, steal=14))
    use = use_between(before, after)
    assert use.cores == 2 and use.tick_s == 0.01
    assert use.busy_s == pytest.approx(1.5)
    assert use.iowait_s == pytest.approx(0.03) and use.stolen_s == pytest.approx(0.1)
    # Guests' time is in `user` already.
    assert before.machine.busy_s == pytest.approx((100 + 5 + 30 + 2 + 3) * 0.01)


@pytest.mark.parametrize(
    "text", ["", "cpu  1 2\n", "cpu  a b c d e f g h\ncpu0 1\n", "intr 5\n", "cpu  1 1 1 1 1 1 1 1\n"]
)
def test_what_is_not_there_or_not_understood_is_null(tmp_path: Path, text: str) -> None:
    reading = read_processor(write(tmp_path, proc__stat=text))
    assert (reading.machine, reading.held_back_s, reading.clock_hz) == (None, None, None)
    use = use_between(reading, read_processor(tmp_path / "nowhere"))
    assert (use.cores, use.busy_s, use.stolen_s, use.held_back_s) == (None,) * 4
    assert use.own_s >= 0 and use.elapsed_s > 0


def test_a_core_that_was_switched_off_in_between_makes_the_counters_void(tmp_path: Path) -> None:
    before = read_processor(stat(tmp_path))
    path = tmp_path / "proc" / "stat"
    path.write_text("".join(line for line in path.read_text().splitlines(True) if not line.startswith("cpu1")))
    assert use_between(before, read_processor(tmp_path)).busy_s is None


QUOTA = "usage_usec 9\nnr_periods 3\nnr_throttled 2\nthrottled_usec 1500000\n"


@pytest.mark.parametrize(
    ("files", "held_back_s"),
    [
        ({"proc__self__cgroup": "0::/a/b\n", "sys__fs__cgroup__a__b__cpu.stat": QUOTA}, 1.5),
        ({"proc__self__cgroup": "0::/a/b\n", "sys__fs__cgroup__a__cpu.stat": QUOTA}, 1.5),  # a group around ours
        ({"proc__self__cgroup": "0::/\n", "sys__fs__cgroup__cpu.stat": QUOTA}, 1.5),  # in a container
        ({"proc__self__cgroup": "0::/../../x\n", "sys__fs__cgroup__cpu.stat": QUOTA}, 1.5),
        ({"proc__self__cgroup": "0::/\n", "sys__fs__cgroup__cpu.stat": "usage_usec 9\n"}, 0.0),  # no quota anywhere
        (
            {
                "proc__self__cgroup": "5:memory:/m\n4:cpu,cpuacct:/d\n0::/x\n",
                "sys__fs__cgroup__cpu,cpuacct__d__cpu.stat": "nr_throttled 2\nthrottled_time 250000000\n",
            },
            0.25,
        ),
        ({"proc__self__cgroup": "0::/a\n"}, None),
        ({}, None),
    ],
)
def test_what_a_quota_held_back(tmp_path: Path, files: dict[str, str], held_back_s: float | None) -> None:
    assert read_processor(write(tmp_path, **files)).held_back_s == held_back_s


def test_the_clock_is_the_fastest_cores(tmp_path: Path) -> None:
    folder = "sys__devices__system__cpu__cpufreq__policy"
    files = {f"{folder}0__scaling_cur_freq": "600000\n", f"{folder}4__scaling_cur_freq": "1500000\n"}
    assert read_processor(write(tmp_path, **files)).clock_hz == 1.5e9


def test_this_process_own_time_is_counted_on_this_machine() -> None:
    before = read_processor()
    deadline = time.process_time() + 0.2
    while time.process_time() < deadline:
        pass
    use = use_between(before, read_processor())
    assert use.own_s == pytest.approx(0.2, abs=0.05)
    assert use.cores >= 1 and use.busy_s >= use.own_s - 0.05 * use.cores
