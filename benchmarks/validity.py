"""Does a busy machine's benchmark get stamped, and a quiet one's not? Runs each way, and what every rule saw.

    python benchmarks/validity.py [--runs 20] [--seconds 2] [--loops 4] [--json]

Quiet and busy runs take turns on the device `local`. Beside a busy one run `--loops` endless loops. Subjects take turns
too: a network of a third of a millisecond and one of several milliseconds, on one thread and on every core.

Nobody can promise that this machine is otherwise at rest, so before each run, while nothing of ours computes, the
machine's own counter is read over a second ("others": busy time of all cores). A quiet run that is stamped while
others took more than the limit is counted apart: there the rule was right.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import cycle, islice
from pathlib import Path

# Before anything imports PyTorch: see groupnl_deploy.cli.entry.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from groupnl_deploy import stages
from groupnl_deploy.bench.foreign_load import FOREIGN_LIMIT
from groupnl_deploy.bench.run import BenchRun
from groupnl_deploy.bench.validity import checks, problems
from groupnl_deploy.bench.workload import Workload
from groupnl_deploy.export import export_checkpoint
from groupnl_deploy.models.registry import model_spec
from groupnl_deploy.progress import Silence
from groupnl_deploy.training.checkpoint import initialise_checkpoint, save_checkpoint

NETS = {
    "short": model_spec("resnet18_cifar", "standard", width=0.25),
    "long": model_spec("mobilenetv3_large_100", "standard"),
}
LOOP = "while True: pass"
LOOK_S = 1.0
SHOWN = ("latency tail", "mean latency", "latency drift", "foreign load, steady", "stolen time")


@dataclass(frozen=True)
class Outcome:
    """One run: what was beside it, what the rules saw, and why it was stamped, if it was."""

    loops: int
    net: str
    threads: int
    p50_ms: float
    others: float
    values: dict[str, float | None]
    reasons: tuple[str, ...]


@contextlib.contextmanager
def beside(loops: int) -> Iterator[None]:
    """Endless loops while the block runs."""
    started = [subprocess.Popen([sys.executable, "-c", LOOP]) for _ in range(loops)]
    try:
        yield
    finally:
        for process in started:
            process.kill()
            process.wait()


def others_now() -> float:
    """What all else on this machine takes now, as a share of all cores; this process sleeps meanwhile."""
    return psutil.cpu_percent(LOOK_S) / 100


def one_run(artifact: str, workload: Workload, out: Path) -> BenchRun:
    """A benchmark on this machine, as `groupnl bench` does it."""
    run, _ = stages.bench(
        "local", "onnxruntime", artifact=artifact, workload=workload, plan=None, out=out, reporter=Silence()
    )
    return run


def outcome(run: BenchRun, loops: int, net: str, others: float) -> Outcome:
    """What the rules say of it."""
    found = checks(run, None)
    ordered = sorted(run.result.latencies_ns)
    values = {check.rule: check.value for check in found}
    return Outcome(loops, net, run.result.threads, ordered[len(ordered) // 2] / 1e6, others, values, problems(found))


def pushed_nets(folder: Path) -> dict[str, str]:
    """Each net, exported and pushed; its artifact's id."""
    artifacts = {}
    for name, spec in NETS.items():
        save_checkpoint(folder / name, *initialise_checkpoint(spec))
        artifact = export_checkpoint(folder / name, folder / f"{name}-onnx", "onnx")
        stages.push(artifact.directory, "local", Silence())
        artifacts[name] = artifact.sha256
    return artifacts


def outcomes(arguments: argparse.Namespace, folder: Path) -> Iterator[Outcome]:
    """Quiet and busy by turns."""
    artifacts = pushed_nets(folder)
    subjects = islice(cycle((net, threads) for net in NETS for threads in (1, 0)), arguments.runs)
    for number, (net, threads) in enumerate(subjects):
        workload = Workload(threads, 8, 0.1, arguments.warmup, 100, arguments.seconds)
        for loops in (0, arguments.loops):
            others = others_now()
            with beside(loops):
                run = one_run(artifacts[net], workload, folder / f"run-{number}-{loops}")
            yield outcome(run, loops, net, others)


def line(done: Outcome) -> str:
    """One run as a line of the table."""
    values = [done.values.get(rule) for rule in SHOWN]
    numbers = "".join(f"{'-':>9}" if value is None else f"{value:>9.3f}" for value in values)
    verdict = "INVALID " + "; ".join(done.reasons) if done.reasons else "valid"
    return f"{done.loops:>5} {done.net:<6}{done.threads:>2}{done.p50_ms:>9.3f}{done.others:>8.3f}{numbers}  {verdict}"


def summary(done: list[Outcome], loops: int) -> list[str]:
    """Both counts."""
    quiet, busy = ([run for run in done if bool(run.loops) == busy] for busy in (False, True))
    false_alarms = [run for run in quiet if run.reasons]
    excused = [run for run in false_alarms if run.values.get(SHOWN[3], 0) > FOREIGN_LIMIT or run.others > FOREIGN_LIMIT]
    return [
        f"beside {loops} busy loops: {sum(bool(run.reasons) for run in busy)} of {len(busy)} stamped",
        f"quiet: {len(false_alarms)} of {len(quiet)} stamped"
        + (f", {len(excused)} of them while others computed here" if excused else ""),
        f"others before quiet runs: at most {max(run.others for run in quiet):.1%} of all cores",
    ]


def main() -> None:
    """Run, print a line a run as it ends, then the counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=20, help="runs each way")
    parser.add_argument("--seconds", type=float, default=2.0, help="of the steady window")
    parser.add_argument("--warmup", type=float, default=1.0, help="seconds before it")
    parser.add_argument("--loops", type=int, default=4, help="busy loops beside a busy run")
    parser.add_argument("--json", action="store_true", help="one document instead of the table")
    arguments = parser.parse_args()
    done = []
    if not arguments.json:
        print("loops net  thr   p50 ms  others p99/p50 mean/p50    drift  foreign   stolen")
    with tempfile.TemporaryDirectory() as name:
        os.environ["GROUPNL_HOME"] = str(Path(name) / "home")
        for result in outcomes(arguments, Path(name)):
            done.append(result)
            if not arguments.json:
                print(line(result), flush=True)
    counts = summary(done, arguments.loops)
    document = {"runs": [asdict(run) for run in done], "summary": counts}
    print(json.dumps(document, indent=2) if arguments.json else "\n".join(counts))


if __name__ == "__main__":
    main()
