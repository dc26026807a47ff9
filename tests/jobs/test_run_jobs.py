"""The make engine on toy jobs: order, stamps, failures, workers, and runners that share a folder or die."""

import contextlib
import dataclasses
import errno
import itertools
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from groupnl_deploy.cli.exits import Explanation, explain
from groupnl_deploy.errors import DiskFull
from groupnl_deploy.jobs.run import Ended, Rules, pending, run_jobs
from groupnl_deploy.jobs.store import Store
from groupnl_deploy.progress import Silence, Task
from groupnl_deploy.workspace import file_sha256
from tests.jobs.toy_jobs import ERRORS, HereToy, Toy, ToyError, chain

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _workers_find_the_toys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT)


class Notes(Silence):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def note(self, text: str) -> None:
        self.said.append(text)


def rules(folder: Path, *again: str, workers: int = 1) -> Rules:
    return Rules(folder / "out", folder / "machine", frozenset(again), workers)


def log(folder: Path, what: str) -> list[str]:
    lines = (folder / "log").read_text().splitlines() if (folder / "log").exists() else []
    return [line.split()[1] for line in lines if line.startswith(what)]


def made(ended: Ended) -> list[str]:
    return [done.job.name for done in ended.done if not done.up_to_date]


def test_each_is_made_once_and_only_what_depends_on_a_change_again(tmp_path: Path) -> None:
    jobs = [*chain(tmp_path), *chain(tmp_path, names="x")]
    assert made(run_jobs(jobs, rules(tmp_path), Silence())) == ["a", "b", "c", "x"]
    assert made(run_jobs(jobs, rules(tmp_path), Silence())) == []
    jobs[1] = dataclasses.replace(jobs[1], text="B")
    assert [job.name for job in pending(jobs, rules(tmp_path))] == ["b", "c"]
    assert made(run_jobs(jobs, rules(tmp_path), Silence())) == ["b", "c"]
    assert jobs[2].product.read_text() == "aBc"
    assert sorted(path.read_text() for path in (tmp_path / "out" / "replaced").iterdir()) == ["ab", "abc"]


def test_a_damaged_product_is_made_again(tmp_path: Path) -> None:
    jobs = chain(tmp_path, names="ab")
    run_jobs(jobs, rules(tmp_path), Silence())
    jobs[0].product.write_text("altered")
    assert made(run_jobs(jobs, rules(tmp_path), Silence())) == ["a"]  # it is the same again, so b need not be


def test_what_is_asked_for_again_is_made_though_nothing_changed(tmp_path: Path) -> None:
    jobs = chain(tmp_path, names="ab")
    run_jobs(jobs, rules(tmp_path), Silence())
    assert made(run_jobs(jobs, rules(tmp_path, "toy-b"), Silence())) == ["b"]


@pytest.mark.parametrize("workers", [1, 2])
def test_one_that_fails_stops_only_what_needs_it(tmp_path: Path, workers: int) -> None:
    jobs = [*chain(tmp_path), *chain(tmp_path, names="xy")]
    jobs[1] = dataclasses.replace(jobs[1], breaks=True)
    jobs.append(dataclasses.replace(chain(tmp_path, names="z")[0], after=("toy-c", "toy-y")))
    notes = Notes()
    ended = run_jobs(jobs, rules(tmp_path, workers=workers), notes)
    assert sorted(made(ended)) == ["a", "x", "y", "z"] and [job.name for job in ended.left_out] == ["c"]
    (failure,) = ended.failed
    assert isinstance(failure.error, ToyError) and failure.error.remedy == "Mend it."  # also out of another process
    assert "toy b: failed: b breaks" in notes.said and "toy c: left out, because toy-b failed" in notes.said
    jobs[1] = dataclasses.replace(jobs[1], breaks=False)
    assert sorted(made(run_jobs(jobs, rules(tmp_path), Silence()))) == ["b", "c"]


def test_an_error_out_of_another_process_is_told_and_ends_the_command_as_here(tmp_path: Path) -> None:
    def explained(workers: int) -> dict[str, Explanation]:
        jobs = [chain(tmp_path, names=[name], breaks=True, with_error=name)[0] for name in ERRORS]
        failed = run_jobs(jobs, rules(tmp_path, workers=workers), Silence()).failed
        return {one.job.name: explain(one.error) for one in failed}

    here, there = explained(1), explained(2)
    assert list(here) == list(there) == list(ERRORS)  # in the order of the jobs, whichever ended first
    assert {name: said for name, said in here.items() if there[name] != said} == {}
    assert {name: said.exit_code for name, said in here.items() if said.exit_code != 1} == {
        "parity": 5,
        "setting": 2,
        "spec": 2,
    }


def test_a_worker_that_the_system_kills_fails_its_job_and_no_other(tmp_path: Path) -> None:
    killed, other, last = (chain(tmp_path, names=name)[0] for name in "kox")
    killed = dataclasses.replace(killed, breaks=True, with_error="killed", seconds=0.2)
    other = dataclasses.replace(other, seconds=1.0)
    ended = run_jobs([killed, other, last], rules(tmp_path, workers=2), Silence())
    assert made(ended) == ["o", "x"]
    (failure,) = ended.failed
    assert explain(failure.error) == Explanation(
        "The process that made toy k was killed; most often memory ran out.",
        "Run the same command again, with fewer --workers.",
        1,
    )
    killed = dataclasses.replace(killed, breaks=False)
    assert made(run_jobs([killed], rules(tmp_path), Silence())) == ["k"]


def test_what_a_failed_job_was_to_replace_comes_back(tmp_path: Path) -> None:
    (job,) = chain(tmp_path, names="a")
    run_jobs([job], rules(tmp_path), Silence())
    broken = dataclasses.replace(job, breaks=True)
    assert run_jobs([broken], rules(tmp_path, "toy-a"), Silence()).failed
    assert job.product.read_text() == "a" and not list((tmp_path / "out" / "replaced").iterdir())
    assert Store(tmp_path / "out").is_done(job)


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="no second disk")
def test_products_may_lie_on_another_disk_than_the_stamps(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as elsewhere:
        (tmp_path / "products").symlink_to(elsewhere)
        (job,) = chain(tmp_path, names="a")
        other = dataclasses.replace(job, text="other")
        assert made(run_jobs([job], rules(tmp_path), Silence())) == ["a"]
        assert run_jobs([dataclasses.replace(other, breaks=True)], rules(tmp_path), Silence()).failed
        assert made(run_jobs([job], rules(tmp_path), Silence())) == []
        assert made(run_jobs([other], rules(tmp_path), Silence())) == ["a"] and job.product.read_text() == "other"
        assert [kept.read_text() for kept in (tmp_path / "out" / "replaced").iterdir()] == ["a"]


def test_a_product_whose_maker_died_before_the_stamp_is_not_made_again(tmp_path: Path) -> None:
    (job,) = chain(tmp_path, names="a")
    with Store(tmp_path / "out").held(job) as held:
        held.begin()
        job.make(Silence())
    assert Store(tmp_path / "out").is_done(job)
    other = dataclasses.replace(job, text="other")
    assert not Store(tmp_path / "out").is_done(other)
    assert made(run_jobs([job], rules(tmp_path), Silence())) == [] and log(tmp_path, "begin") == ["a"]


@pytest.mark.parametrize("comes", [True, False])
def test_a_product_that_is_brought_after_its_making_failed_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, comes: bool
) -> None:
    monkeypatch.setattr(Toy, "may_still_come", lambda job: comes)
    (job,) = chain(tmp_path, names="a", breaks=True)
    assert len(run_jobs([job], rules(tmp_path), Silence()).failed) == 1
    assert pending([job], rules(tmp_path)) == (job,)
    job.product.parent.mkdir()
    job.product.write_text("a")
    (done,) = run_jobs([dataclasses.replace(job, breaks=False)], rules(tmp_path), Silence()).done
    assert done.up_to_date == comes
    assert pending([job], rules(tmp_path)) == ()


def test_a_disk_that_is_full_when_the_stamp_is_due_costs_no_product(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (job,) = chain(tmp_path, names="a")
    pwrite = os.pwrite

    def refuse(file: int, content: bytes, offset: int) -> int:
        if job.product.exists():
            raise OSError(errno.ENOSPC, "No space left on device")
        return pwrite(file, content, offset)

    with monkeypatch.context() as full:
        full.setattr(os, "pwrite", refuse)
        (failure,) = run_jobs([job], rules(tmp_path), Silence()).failed
    assert isinstance(failure.error, DiskFull)
    assert made(run_jobs([job], rules(tmp_path), Silence())) == [] and log(tmp_path, "begin") == ["a"]


def test_half_a_stamp_is_no_stamp(tmp_path: Path) -> None:
    (job,) = chain(tmp_path, names="a")
    run_jobs([job], rules(tmp_path), Silence())
    stamp = tmp_path / "out" / "stamps" / "toy-a.json"
    stamp.write_bytes(stamp.read_bytes()[:20])
    assert made(run_jobs([job], rules(tmp_path), Silence())) == ["a"]


def test_steps_are_counted_and_the_time_left_is_told_from_experience(tmp_path: Path) -> None:
    jobs = chain(tmp_path)
    notes = Notes()
    run_jobs(jobs, rules(tmp_path), notes)
    begun = [said for said in notes.said if said.startswith("step")]
    assert begun[0] == "step 1 of 3: toy a"  # nothing is known yet
    assert begun[2].startswith("step 3 of 3: toy c, about ") and begun[2].endswith(" left")


def test_what_was_made_in_an_earlier_run_tells_the_time_left_too(tmp_path: Path) -> None:
    run_jobs(chain(tmp_path, names="a"), rules(tmp_path), Silence())
    notes = Notes()
    run_jobs([chain(tmp_path, names=name)[0] for name in "ab"], rules(tmp_path), notes)
    (said,) = [said for said in notes.said if said.startswith("step")]
    assert said.startswith("step 2 of 2: toy b, about ") and said.endswith(" s left")


def test_one_bar_counts_the_steps_and_says_what_each_worker_does(tmp_path: Path) -> None:
    class Bar(Silence):
        shown: ClassVar[set[tuple[float, float | None, str]]] = set()

        @contextlib.contextmanager
        def task(self, name: str) -> Iterator[Task]:
            assert name == "steps"
            yield lambda done, total, detail="": self.shown.add((done, total, detail))

    jobs = [*chain(tmp_path, names="ab", seconds=1.5), dataclasses.replace(chain(tmp_path, names="m")[0], alone=True)]
    jobs[2] = HereToy(**vars(jobs[2]))
    run_jobs(jobs, rules(tmp_path, workers=2), Bar())
    assert {(done, total) for done, total, _ in Bar.shown} <= {(done, 3) for done in range(4)}
    details = {detail for _, _, detail in Bar.shown}
    assert any(detail.startswith("1 of 3; toy-b ") and detail.endswith("%") for detail in details)
    assert "2 of 3; m" in details


def test_what_is_to_be_made_is_looked_at_once_however_long_it_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: Counter[str] = Counter()
    is_done = Store.is_done

    def look(self: Store, job: Toy) -> bool:
        looked[job.name] += 1
        return is_done(self, job)

    monkeypatch.setattr(Store, "is_done", look)
    jobs = [chain(tmp_path, names=name, seconds=0.1)[0] for name in "abcdef"]
    run_jobs(jobs, rules(tmp_path, workers=2), Silence())
    assert set(looked.values()) == {2}  # to foresee, and when its turn came


def test_workers_share_the_work_and_a_measurement_has_the_machine_alone(tmp_path: Path) -> None:
    jobs = [chain(tmp_path, names=name, seconds=0.3)[0] for name in "abcd"]
    jobs.append(dataclasses.replace(chain(tmp_path, names="m")[0], alone=True))
    assert len(made(run_jobs(jobs, rules(tmp_path, workers=2), Silence()))) == 5
    lines = [line.split() for line in (tmp_path / "log").read_text().splitlines()]
    assert len({pid for _, name, pid in lines if name != "m"}) == 2
    assert any(first[0] == second[0] == "begin" for first, second in itertools.pairwise(lines))
    at = [index for index, line in enumerate(lines) if line[1] == "m"]
    assert at[1] == at[0] + 1  # nothing began or ended meanwhile


RUNNER = """
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar
from groupnl_deploy.cli.exits import Explanation, explain
from groupnl_deploy.errors import DiskFull
from groupnl_deploy.jobs.run import run_jobs
from groupnl_deploy.progress import Silence, Task
from tests.jobs.test_run_jobs import chain, many, rules
folder = Path(sys.argv[1])
ended = run_jobs(many(folder), rules(folder), Silence())
sys.exit(len(ended.failed) or len(ended.done) != len(many(folder)))
"""


def many(folder: Path) -> list[Toy]:
    """Six independent chains of three jobs."""
    jobs = [job for first in "aeimqu" for job in chain(folder, names=f"{first}{chr(ord(first) + 1)}", seconds=0.1)]
    return [*jobs, *chain(folder, names="z")]


def start_runner(folder: Path) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-c", RUNNER, str(folder)], cwd=ROOT)


@pytest.mark.slow
def test_eight_runners_on_one_folder_of_which_two_are_killed_make_each_product_once(tmp_path: Path) -> None:
    alone, shared = tmp_path / "alone", tmp_path / "shared"
    alone.mkdir(), shared.mkdir()
    run_jobs(many(alone), rules(alone), Silence())
    runners = [start_runner(shared) for _ in range(8)]
    while len(log(shared, "end")) < 3:
        time.sleep(0.01)
    for runner in runners[:2]:
        runner.kill()
    assert [runner.wait() for runner in runners[2:]] == [0] * 6
    assert {job.name: file_sha256(job.product) for job in many(shared)} == {
        job.name: file_sha256(job.product) for job in many(alone)
    }
    assert set(Counter(log(shared, "end")).values()) == {1}
    assert sum(Counter(log(shared, "begin")).values()) <= len(many(shared)) + 2  # those that the killed had begun
    assert not list((shared / "products").glob(".*"))


def test_who_makes_a_product_is_told_and_waited_for(tmp_path: Path) -> None:
    told = tmp_path / "told"  # the other has not made the first before we have heard of it
    jobs = chain(tmp_path, names="ab", until=told)
    other = subprocess.Popen(
        [
            sys.executable,
            "-c",
            RUNNER.replace("many(folder)", 'chain(folder, names="ab", until=folder / "told")').replace(
                "import many", "import chain"
            ),
            str(tmp_path),
        ],
        cwd=ROOT,
    )
    while "a" not in log(tmp_path, "begin"):
        time.sleep(0.01)

    class Telling(Notes):
        def note(self, text: str) -> None:
            super().note(text)
            if "is being made by" in text:
                told.touch()

    notes = Telling()
    assert made(run_jobs(jobs, rules(tmp_path), notes)) in ([], ["b"])
    assert other.wait() == 0
    (said,) = [said for said in notes.said if said.startswith("toy a: is being made by")]
    assert f"process {other.pid} on " in said and said.endswith("; waiting for it")
    assert log(tmp_path, "end") == ["a", "b"]


@pytest.mark.parametrize("after", [*(pytest.param(count, marks=pytest.mark.slow) for count in (0, 1)), 2])
def test_ctrl_c_stops_the_workers_and_leaves_nothing_half_made(tmp_path: Path, after: int) -> None:
    """As a terminal sends it, to all processes; also to those that are only starting."""
    code = RUNNER.replace("many(folder)", '[chain(folder, names=n, seconds=600)[0] for n in "ab"]').replace(
        "import many", "import chain"
    )
    code = code.replace("rules(folder)", "rules(folder, workers=2)").replace("ended =", "print('began')\nended =")
    runner = subprocess.Popen(
        [sys.executable, "-u", "-c", code, str(tmp_path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert runner.stdout is not None and runner.stdout.readline() == "began\n"
    while len(log(tmp_path, "begin")) < after:
        time.sleep(0.01)
    os.killpg(runner.pid, signal.SIGINT)
    said = runner.communicate(timeout=300)[1]
    # The runner's own, be it in the middle of handling something else; the workers print none.
    assert said.count("KeyboardInterrupt") == 1 and said.endswith("KeyboardInterrupt\n")
    pids = {int(line.split()[2]) for line in (tmp_path / "log").read_text().splitlines()} if after else set()
    assert not any(_lives(pid) for pid in pids) and not (tmp_path / "products").exists()


def test_workers_end_with_a_runner_that_is_killed(tmp_path: Path) -> None:
    code = (
        RUNNER.replace("many(folder)", '[chain(folder, names=n, seconds=600)[0] for n in "ab"]')
        .replace("import many", "import chain")
        .replace("rules(folder)", "rules(folder, workers=2)")
    )
    runner = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT)
    while len(log(tmp_path, "begin")) < 2:
        time.sleep(0.01)
    pids = {int(line.split()[2]) for line in (tmp_path / "log").read_text().splitlines()}
    runner.kill()
    runner.wait()
    until_s = time.monotonic() + 60
    while any(_lives(pid) for pid in pids) and time.monotonic() < until_s:
        time.sleep(0.05)
    assert not any(_lives(pid) for pid in pids)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
