"""How five convolutions differ under the nineteen corruptions, each over several seeds, on the digits.

    python benchmarks/robustness.py [--seeds 0 1 2] [--width 0.25] [--out DIR] [--workers 2] [--json] [--quick]

ResNet-18 for 32x32 images as standard, MonoCNN, GhostNet, SineFM and GroupNL is trained on the digits by its default
recipe, once a seed, and shown the test digits under all corruptions at all severities, generated here with one seed for
all. It is a campaign of `groupnl run`, kept in `--out`: what is there is not made again. Printed are the means over the
seeds of clean and of corrupted accuracy, and of the difference to the standard network, paired by seed; in brackets the
lowest and the highest, from six seeds on Student's interval of 95 %. 360 small drawings are no photographs: what falls
out here is of digits alone.

`--quick` takes one epoch, three corruptions and 50 images: it tries the path, and its numbers mean nothing.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from groupnl_deploy.analysis.mean import mean_of
from groupnl_deploy.evaluation.record import EvaluationRecord, evaluations_in, load_evaluation
from groupnl_deploy.training.checkpoint import checkpoint_id, load_checkpoint
from groupnl_deploy.workspace import CHECKPOINT_FILE

CONVS = ("standard", "mono", "ghost", "sinefm", "groupnl")
QUICK_TRAIN, QUICK_EVALUATE = "epochs = 1\n", 'corruptions = ["fog", "contrast", "gaussian_noise"]\nimages = 50\n'


@dataclass(frozen=True)
class Outcome:
    """Of one convolution: accuracies from 0 to 1, one for each seed in their order."""

    conv: str
    clean: tuple[float, ...]
    corrupted: tuple[float, ...]


def main() -> None:
    """Make what is missing, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--width", type=float, default=0.25)
    parser.add_argument("--out", type=Path, default=Path("runs/robustness"))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true")
    asked = parser.parse_args()
    campaign = write_campaign(asked.out, asked.seeds, asked.width, asked.quick)
    make(campaign, asked.workers)
    outcomes = outcomes_of(asked.out, asked.seeds)
    if asked.json:
        print(json.dumps([asdict(one) for one in outcomes], indent=2))
    else:
        print("\n".join(table(outcomes)))


def write_campaign(out: Path, seeds: Sequence[int], width: float, quick: bool) -> Path:
    """The file that makes all of it."""
    out.mkdir(parents=True, exist_ok=True)
    path = out / "robustness.toml"
    path.write_text(
        f"schema_version = 1\nout = {json.dumps(str(out))}\n\n"
        f'[train]\ndataset = "digits"\nseeds = {list(seeds)}\n{QUICK_TRAIN if quick else ""}\n'
        f'[[models]]\nlabel = "net"\nmodel = "resnet18_cifar"\nwidth = {width}\nconv = {json.dumps(CONVS)}\n\n'
        f"[evaluate]\nseed = 0\n{QUICK_EVALUATE if quick else ''}",
        encoding="utf-8",
    )
    return path


def make(campaign: Path, workers: int) -> None:
    """Train, then evaluate each by its name: `--to evaluate` would export and push first, which nothing here asks."""
    run = [sys.executable, "-m", "groupnl_deploy.cli.entry", "run", str(campaign)]
    listed = subprocess.run([*run, "--list", "--json"], stdout=subprocess.PIPE, check=True)
    evaluations = [job["key"] for job in json.loads(listed.stdout)["jobs"] if job["stage"] == "evaluate"]
    for chosen in ["--to", "train"], [word for key in evaluations for word in ("--only", key)]:
        done = subprocess.run([*run, *chosen, "--workers", str(workers)], stdout=sys.stderr, check=False)
        if done.returncode:
            sys.exit(done.returncode)


def outcomes_of(out: Path, seeds: Sequence[int]) -> list[Outcome]:
    """What was kept, by convolution, of the seeds that were asked for."""
    records = {
        one.subject.checkpoint_sha256: one for one in map(load_evaluation, evaluations_in([out / "evaluations"]))
    }
    found: dict[tuple[str, int], EvaluationRecord] = {}
    for file in sorted(out.rglob(CHECKPOINT_FILE)):
        checkpoint = load_checkpoint(file.parent)
        record = records.get(checkpoint_id(file.parent))
        if record is not None and checkpoint.recipe is not None:
            found[checkpoint.spec.conv.method, checkpoint.recipe.seed] = record
    return [Outcome(conv, *accuracies([found[conv, seed] for seed in seeds])) for conv in CONVS]


def accuracies(records: Sequence[EvaluationRecord]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Clean and corrupted, of whole records alone."""
    clean, corrupted = [], []
    for record in records:
        if record.clean is None or record.robustness is None or not record.finished:
            raise SystemExit(f"{record.subject.label} has no whole evaluation; remove it and run again")
        clean.append(record.clean.accuracy)
        corrupted.append(record.robustness.mean_accuracy)
    return tuple(clean), tuple(corrupted)


def table(outcomes: Sequence[Outcome]) -> list[str]:
    """As the docs have it."""
    standard = outcomes[0]
    lines = [
        "| convolution | clean, % | corrupted, % | corrupted, less standard's, points |",
        "| --- | --- | --- | --- |",
    ]
    for one in outcomes:
        gains = [mine - its for mine, its in zip(one.corrupted, standard.corrupted, strict=True)]
        gained = "–" if one is standard else spread(gains, "+")
        lines.append(f"| {one.conv} | {spread(one.clean)} | {spread(one.corrupted)} | {gained} |")
    return lines


def spread(shares: Sequence[float], sign: str = "-") -> str:
    """The mean and where it lies, in hundredths."""
    found = mean_of([100 * share for share in shares])
    return f"{found.mean:{sign}.1f} ({found.low:{sign}.1f} to {found.high:{sign}.1f})"


if __name__ == "__main__":
    main()
