"""`groupnl bench` with several artifacts, threads or repeats."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from device_agent.settings import Settings, Workload
from groupnl_deploy.bench.run import load_run
from groupnl_deploy.bench.run_set import load_set
from groupnl_deploy.cli.main import app
from groupnl_deploy.cli.setting_options import threads_of, with_workload
from groupnl_deploy.errors import UsageError

SHORT = ("--idle", "0", "--warmup", "0", "--duration", "0", "--iterations", "3", "--images", "1")


def bench(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["bench", *map(str, arguments), "--device", "local"])


def test_repeats_are_a_set_that_report_takes(untrained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    options = ("--backend", "null", "--repeats", 2, "--out", "set", "--allow-invalid", *SHORT)
    done = bench(untrained.onnx.directory, *options)
    assert done.exit_code == 0, done.output
    assert "Next: groupnl report set" in done.stderr and "Run 2 of 2" in done.stderr
    kept = load_set(Path("set"))
    (member,) = kept.members
    assert member.artifact_sha256 == untrained.onnx.sha256
    assert kept.made == (f"{member.name}-run1", f"{member.name}-run2")
    runs = [load_run(Path("set/runs") / name)[0] for name in kept.made]
    assert runs[0].request.bench_id != runs[1].request.bench_id
    shown = CliRunner().invoke(app, ["report", "set", "--json"])
    assert {row["artifact_sha256"] for row in json.loads(shown.stdout)["rows"]} == {untrained.onnx.sha256}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--threads", "1;2"), "no numbers of threads"),
        (("--threads", "1,"), "no numbers of threads"),
        (("--threads", "2,1,2"), "has 2 twice"),
        (("--threads", "1,5000"), "between 0 and 1,024"),
        (("--threads", "1,1000"), "1000 threads were asked for"),
        (("--quick", "--paper"), "two workloads"),
        (("--paper", "--images", "5"), "--images says otherwise"),
        (("--repeats", "0"), "greater than or equal to 1"),
        (("--artifact", "x", "--artifact", "x"), "named twice"),
    ],
)
def test_what_makes_no_sense_is_refused(options: tuple[str, ...], words: str, untrained) -> None:
    given = () if "--artifact" in options else (untrained.onnx.directory,)
    done = bench(*given, "--backend", "null", *options)
    assert done.exit_code == 2 and words in " ".join(done.stderr.replace("│", "").split())


def test_one_artifact_under_two_names_is_refused(untrained, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(untrained.onnx.directory)
    done = bench(untrained.onnx.directory, tmp_path / "link", "--backend", "null", *SHORT)
    assert done.exit_code == 2 and "are one artifact" in done.stderr


def test_a_quick_workload_leaves_what_is_said_on_the_line() -> None:
    given = Settings(workload=Workload(idle_s=7.0))
    work = with_workload(given, quick=True, paper=False, metered=True, given={"idle_s"}).workload
    assert (work.idle_s, work.min_seconds) == (7.0, 10.0)


@pytest.mark.parametrize(("metered", "least_s"), [(True, 10.0), (False, 0.0)])
def test_the_papers_workload_is_a_hundred_images(metered: bool, least_s: float) -> None:
    work = with_workload(Settings(), quick=False, paper=True, metered=metered, given=()).workload
    assert (work.images, work.min_iterations, work.min_seconds) == (100, 100, least_s)


def test_threads_are_numbers_with_commas() -> None:
    assert threads_of("1, 2,4") == (1, 2, 4)
    with pytest.raises(UsageError):
        threads_of("four")
