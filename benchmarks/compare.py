"""How often does a comparison of equal things show a difference, and how often does it find a true one of 3 %?

    python benchmarks/compare.py --record 80 [--seconds 3] [--runs FILE] [--pairs 10] [--json]
    python benchmarks/compare.py --runs FILE [--pairs 10] [--json]

--record benches one small network so many times on the device `local` and writes down the p50 and the mean latency of
each run, in the order made; --runs keeps them in a file, or takes those that are in it. Then 200 comparisons are made
of these runs, as `groupnl compare` makes them. Each takes a stretch of runs that followed one another: neighbours are a
pair, and which of the two is called A is drawn. Both are runs of the same artifact, so every difference that is shown
is a false alarm; at most 16 of 200 may be. Then B's numbers are multiplied by 1.03, and at least 80 % of the
comparisons must find that.

How much is found depends on how much the runs of a pair differ by themselves. So the same is counted once more with the
recorded differences made smaller or larger, to a standard deviation of 0.5 % up to 10 %; their shape stays.
"""

import argparse
import json
import os
import random
import sys
import tempfile
from dataclasses import asdict, dataclass
from math import exp, log
from pathlib import Path
from statistics import median
from typing import Any

# Before anything imports PyTorch: see groupnl_deploy.cli.entry.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from groupnl_deploy.analysis.metrics import BY_NAME
from groupnl_deploy.analysis.paired import LEAST_PAIRS, compare_pairs
from groupnl_deploy.analysis.verdict import standing

COMPARISONS, MOST_FALSE_ALARMS, TRUE_RATIO, LEAST_FOUND = 200, 16, 1.03, 0.80
METRICS = ("p50_ms", "mean_ms")
SPREADS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.10)


@dataclass(frozen=True)
class Proof:
    """What 200 comparisons of one metric showed, first of equal things, then with B slower by 3 %.

    `spread` is the median standard deviation of the log ratios of a comparison's pairs. `wrong_way`: B was called
    faster where it was slower.
    """

    metric: str
    runs: int
    pairs: int
    comparisons: int
    spread: float
    false_alarms: int
    found: int
    wrong_way: int

    @property
    def holds(self) -> bool:
        """Whether both promises are kept."""
        return self.false_alarms <= MOST_FALSE_ALARMS and self.found >= LEAST_FOUND * self.comparisons

    def __str__(self) -> str:
        return (
            f"{self.metric}: {self.comparisons} comparisons of {self.pairs} pairs, from {self.runs} recorded runs; "
            f"pairs differ by {100 * self.spread:.2f} % (standard deviation)\n"
            f"  equal artifacts: {self.false_alarms} false alarms (at most {MOST_FALSE_ALARMS})\n"
            f"  B slower by {TRUE_RATIO - 1:.0%}: found in {self.found} ({self.found / self.comparisons:.1%}; at least "
            f"{LEAST_FOUND:.0%}), called faster in {self.wrong_way}\n"
            f"  {'holds' if self.holds else 'DOES NOT HOLD'}"
        )


def proof(metric: str, values: list[float], pairs: int, seed: int = 1) -> Proof:
    """Resample the recorded values of a metric, in the order made."""
    drawn, spreads, verdicts = random.Random(seed), [], []
    for _ in range(COMPARISONS):
        first = drawn.randrange(len(values) - 2 * pairs + 1)
        stretch = values[first : first + 2 * pairs]
        both = [drawn.sample(pair, 2) for pair in zip(stretch[::2], stretch[1::2], strict=True)]
        a, b = [pair[0] for pair in both], [pair[1] for pair in both]
        spreads.append(compare_pairs(a, b).log_sd or 0.0)
        verdicts.append((shown(metric, a, b), shown(metric, a, [TRUE_RATIO * value for value in b])))
    return Proof(
        metric=metric,
        runs=len(values),
        pairs=pairs,
        comparisons=COMPARISONS,
        spread=median(spreads),
        false_alarms=sum(equal != "no difference shown" for equal, _ in verdicts),
        found=sum(slower == "worse" for _, slower in verdicts),
        wrong_way=sum(slower == "better" for _, slower in verdicts),
    )


def scaled(values: list[float], factor: float) -> list[float]:
    """With differences that are so many times as large, by their logarithms."""
    middle = median(map(log, values))
    return [exp(middle + factor * (log(value) - middle)) for value in values]


def table(metric: str, values: list[float], own: Proof) -> list[str]:
    """What is found of 3 % where the runs of a pair differ by less or more than the recorded ones."""
    lines = [f"{metric}, differences within a pair scaled to   false alarms   found"]
    for spread in SPREADS:
        one = proof(metric, scaled(values, spread / own.spread), own.pairs)
        lines.append(f"{100 * one.spread:>32.2f} % {one.false_alarms:>16}{one.found / one.comparisons:>10.1%}")
    return lines


def shown(metric: str, a: list[float], b: list[float]) -> str:
    """The word of the verdict on B."""
    found = compare_pairs(a, b)
    return standing(BY_NAME[metric], found, found.p)


def record(count: int, seconds: float, place: Path | None) -> list[dict[str, Any]]:
    """Bench one net over and over, and write the file, if there is one, anew after each run; returns the runs."""
    from device_agent.settings import Settings, Workload
    from groupnl_deploy.bench.bench_device import bench_device
    from groupnl_deploy.bench.stats import latency_stats
    from groupnl_deploy.export import export_checkpoint
    from groupnl_deploy.models.registry import model_spec
    from groupnl_deploy.progress import Silence
    from groupnl_deploy.training.checkpoint import initialise_checkpoint, save_checkpoint

    workload = Workload(images=4, idle_s=0.2, warmup_s=0.5, min_seconds=seconds)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["GROUPNL_HOME"] = f"{folder}/home"
        net, runs = Path(folder) / "net", []
        save_checkpoint(net, *initialise_checkpoint(model_spec("resnet18_cifar", "standard", width=0.25)))
        export_checkpoint(net, Path(folder) / "net-onnx", "onnx")
        for number in range(count):
            out = Path(folder) / f"run-{number}"
            settings, artifact = Settings(1, workload=workload), f"{folder}/net-onnx"
            run, _ = bench_device(
                "local", "onnxruntime", artifact=artifact, settings=settings, plan=None, out=out, reporter=Silence()
            )
            window = run.result.span("steady")
            stats = latency_stats(run.result.latencies_ns, (window.end_ns - window.start_ns) / 1e9)
            runs.append({"created_at": run.created_at, "p50_ms": stats.p50_ms, "mean_ms": round(stats.mean_ms, 6)})
            what = {"board": run.result.board_before.machine, "seconds": seconds, "versions": run.result.versions}
            if place is not None:
                place.write_text(json.dumps({**what, "runs": runs}, indent=1) + "\n", encoding="utf-8")
            print(f"{number + 1} of {count}: p50 {stats.p50_ms:.4f} ms", file=sys.stderr)
    return runs


def main() -> None:
    """Record, or print the proof; the exit code is 1 where it does not hold for p50, which verdicts are of."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", type=int, metavar="N", help="make so many runs first")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each steady window, to record")
    parser.add_argument("--runs", type=Path, metavar="FILE", help="of recorded runs")
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if arguments.pairs < LEAST_PAIRS:
        parser.error(f"--pairs: with fewer than {LEAST_PAIRS} nothing is shown")
    if arguments.record:
        recorded = record(arguments.record, arguments.seconds, arguments.runs)
    elif arguments.runs is not None and arguments.runs.is_file():
        recorded = json.loads(arguments.runs.read_text(encoding="utf-8"))["runs"]
    else:
        sys.exit("There are no runs: record some with --record 80, or name a file of them with --runs.")
    if len(recorded) < 2 * arguments.pairs:
        sys.exit(f"There are {len(recorded)} runs; {arguments.pairs} pairs need {2 * arguments.pairs}.")
    proofs = [proof(metric, [run[metric] for run in recorded], arguments.pairs) for metric in METRICS]
    if arguments.json:
        print(json.dumps([{**asdict(one), "holds": one.holds} for one in proofs], indent=2))
    else:
        tables = [table(one.metric, [run[one.metric] for run in recorded], one) for one in proofs]
        print("\n".join([*map(str, proofs), *tables[0]]))
    sys.exit(0 if proofs[0].holds else 1)


if __name__ == "__main__":
    main()
