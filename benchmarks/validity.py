"""Does a busy machine's benchmark get stamped, and a quiet one's not? Runs each way, and what every rule saw.

    python benchmarks/validity.py [--runs 20] [--seconds 2] [--loops 4] [--patience 0] [--json]
    python benchmarks/validity.py --sweep [--runs 3] [--seconds 5]

Quiet and busy runs take turns on the device `local`. Beside a busy one run `--loops` endless loops. Subjects take turns
too: a network of a third of a millisecond and one of several milliseconds, on one thread and on every core.

Nobody can promise that this machine is otherwise at rest. So before each run, while nothing of ours computes, the
machine's own counter is read over a second ("others": busy time of all cores). `--patience` waits up to so many seconds
for it to fall below 2 %. A quiet run that is stamped while others computed is counted apart: there the rule is right.

--sweep puts one program beside each run that takes a given share of one core, and prints what share of all cores the
rule saw and how much longer the mean inference took than with none: the measurement behind the limit.
"""

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import cycle, islice
from pathlib import Path

# Before anything imports PyTorch: see groupnl_deploy.cli.entry.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from device_agent.settings import Settings, Workload
from groupnl_deploy.bench.bench_device import bench_device
from groupnl_deploy.bench.foreign_load import FOREIGN_LIMIT
from groupnl_deploy.bench.validity import checks, problems
from groupnl_deploy.deploy.push import deploy_artifact
from groupnl_deploy.export import export_checkpoint
from groupnl_deploy.models.registry import model_spec
from groupnl_deploy.progress import Silence
from groupnl_deploy.training.checkpoint import initialise_checkpoint, save_checkpoint

NETS = {
    "short": model_spec("resnet18_cifar", "standard", width=0.25),
    "long": model_spec("mobilenetv3_large_100", "standard"),
}
SUBJECTS = [(net, threads) for net in NETS for threads in (1, 0)]
# Computes for the given share of every 20 ms, a share of 1 without a pause, and never outlives us.
LOOP = """
import os, sys, time
share, parent, period_s = float(sys.argv[1]), os.getppid(), 0.02
while os.getppid() == parent:
    end_s = time.perf_counter() + share * period_s
    while time.perf_counter() < end_s:
        pass
    if share < 1:
        time.sleep((1 - share) * period_s)
"""
LOOK_S, QUIET = 1.0, 0.02
FOREIGN = "foreign load, steady"
SHOWN = ("latency tail", "mean latency", "latency drift", FOREIGN, "stolen time")
SWEEP = (0.0, 0.05, 0.1, 0.2, 0.4, 1.0)  # of one core


@dataclass(frozen=True)
class Trial:
    """One run: what was beside it, what the rules saw, and why it was stamped, if it was."""

    beside: tuple[float, ...]
    net: str
    threads: int
    p50_ms: float
    mean_ms: float
    others: float
    values: dict[str, float | None]
    reasons: tuple[str, ...]

    @property
    def disturbed(self) -> bool:
        """Whether more than we put beside it computed here, before it or during it."""
        return self.others > FOREIGN_LIMIT or (self.values.get(FOREIGN) or 0.0) > FOREIGN_LIMIT


@contextlib.contextmanager
def company(shares: tuple[float, ...]) -> Iterator[None]:
    """Programs that each take such a share of a core while the block runs."""
    started = [subprocess.Popen([sys.executable, "-c", LOOP, str(share)]) for share in shares]
    try:
        yield
    finally:
        for process in started:
            process.kill()
            process.wait()


def others_now(patience_s: float) -> float:
    """What all else on this machine takes, as a share of all cores; waits a while for it to be little."""
    deadline_s = time.monotonic() + patience_s
    while (share := psutil.cpu_percent(LOOK_S) / 100) > QUIET and time.monotonic() < deadline_s:
        time.sleep(LOOK_S)
    return share


class Bench:
    """Runs benchmarks on this machine as `groupnl bench` does, in a folder of its own."""

    def __init__(self, folder: Path, arguments: argparse.Namespace) -> None:
        self.folder, self.arguments, self.count = folder, arguments, 0
        self.artifacts = {name: self._push(name) for name in NETS}

    def _push(self, name: str) -> str:
        save_checkpoint(self.folder / name, *initialise_checkpoint(NETS[name]))
        artifact = export_checkpoint(self.folder / name, self.folder / f"{name}-onnx", "onnx")
        deploy_artifact(artifact.directory, "local", Silence())
        return artifact.sha256

    def __call__(self, net: str, threads: int, shares: tuple[float, ...]) -> Trial:
        """One run beside such programs, and what the rules say of it."""
        self.count += 1
        others = others_now(0.0 if shares else self.arguments.patience)
        workload = Workload(images=8, idle_s=0.1, warmup_s=self.arguments.warmup, min_seconds=self.arguments.seconds)
        with company(shares):
            run, _ = bench_device(
                "local",
                "onnxruntime",
                artifact=self.artifacts[net],
                settings=Settings(threads, workload=workload),
                plan=None,
                out=self.folder / f"run-{self.count}",
                reporter=Silence(),
            )
        found, latencies_ms = checks(run, None), [latency / 1e6 for latency in run.result.latencies_ns]
        values = {check.rule: check.value for check in found}
        p50_ms, mean_ms = statistics.median(latencies_ms), statistics.fmean(latencies_ms)
        return Trial(shares, net, run.result.settings.threads, p50_ms, mean_ms, others, values, problems(found))


HEADING = "beside net   thr   p50 ms  others p99/p50 mean/p50   drift foreign  stolen"


def line(done: Trial) -> str:
    """One run as a line of the table."""
    values = [done.values.get(rule) for rule in SHOWN]
    numbers = "".join(f"{'-':>8}" if value is None else f"{value:>8.3f}" for value in values)
    verdict = f"INVALID: {'; '.join(done.reasons)}" if done.reasons else "valid"
    load = sum(done.beside)
    return f"{load:>6.2f} {done.net:<6}{done.threads:>3}{done.p50_ms:>9.3f}{done.others:>8.3f} {numbers}  {verdict}"


def both_ways(bench: Bench, arguments: argparse.Namespace) -> Iterator[Trial]:
    """Quiet and busy by turns."""
    for net, threads in islice(cycle(SUBJECTS), arguments.runs):
        for shares in ((), (1.0,) * arguments.loops):
            yield bench(net, threads, shares)


def counts(done: list[Trial]) -> list[str]:
    """How many of either kind were stamped."""
    quiet, busy = ([run for run in done if bool(run.beside) == busy] for busy in (False, True))
    calm = [run for run in quiet if not run.disturbed]
    return [
        f"beside busy loops: {sum(bool(run.reasons) for run in busy)} of {len(busy)} stamped",
        f"quiet: {sum(bool(run.reasons) for run in calm)} of {len(calm)} stamped",
        f"meant to be quiet, but others computed: {sum(bool(run.reasons) for run in quiet if run.disturbed)} of "
        f"{len(quiet) - len(calm)} stamped",
    ]


def sweep(bench: Bench, arguments: argparse.Namespace) -> Iterator[Trial]:
    """Each subject beside each load, the loads by turns."""
    for net, threads in SUBJECTS:
        for _ in range(arguments.runs):
            for share in SWEEP:
                yield bench(net, threads, (share,) if share else ())


def effects(done: list[Trial]) -> list[str]:
    """What each load did to the mean latency: medians over the runs, against those with none beside them."""
    lines = ["of one core   net    thr   foreign, of all cores   mean latency / with none"]
    for net, threads in dict.fromkeys((run.net, run.threads) for run in done):
        own = [run for run in done if (run.net, run.threads) == (net, threads)]
        alone_ms = statistics.median(run.mean_ms for run in own if not run.beside)
        for share in SWEEP:
            beside = [run for run in own if sum(run.beside) == share]
            foreign = statistics.median(run.values[FOREIGN] or 0.0 for run in beside)
            ratio = statistics.median(run.mean_ms for run in beside) / alone_ms
            lines.append(f"{share:>11.2f}   {net:<6}{threads:>4}{foreign:>24.3f}{ratio:>27.3f}")
    return lines


def main() -> None:
    """Run, print a line a run as it ends, then the counts or the effects."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, help="each way (20), or of each load of the sweep (3)")
    parser.add_argument("--seconds", type=float, default=2.0, help="of the steady window")
    parser.add_argument("--warmup", type=float, default=1.0, help="seconds before it")
    parser.add_argument("--loops", type=int, default=4, help="busy loops beside a busy run")
    parser.add_argument("--patience", type=float, default=0.0, help="most seconds to wait for a quiet machine")
    parser.add_argument("--sweep", action="store_true", help="what a little foreign load does to the latency")
    parser.add_argument("--json", action="store_true", help="one document instead of the table")
    arguments = parser.parse_args()
    arguments.runs = arguments.runs or (3 if arguments.sweep else 20)
    done: list[Trial] = []
    with tempfile.TemporaryDirectory() as name:
        os.environ["GROUPNL_HOME"] = str(Path(name) / "home")
        outcomes = (sweep if arguments.sweep else both_ways)(Bench(Path(name), arguments), arguments)
        if not arguments.json:
            print(HEADING)
        for outcome in outcomes:
            done.append(outcome)
            if not arguments.json:
                print(line(outcome), flush=True)
    summary = effects(done) if arguments.sweep else counts(done)
    document = {"runs": [asdict(run) for run in done], "summary": summary}
    print(json.dumps(document, indent=2) if arguments.json else "\n".join(summary))


if __name__ == "__main__":
    main()
