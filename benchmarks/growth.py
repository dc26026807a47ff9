"""GEARnn on the digits beside what a person would do instead, at equal processor time, over several seeds.

    python benchmarks/growth.py [--seeds 0 1 2] [--epochs 5] [--w0 8] [--gamma 0.9] [--workers 2] [--out DIR] [--json]

VGG-11 for 32x32 with standard convolutions of `--w0` channels is trained, grows and is trained on, each phase as long
as the digits' recipe has it. Beside it: the backbone trained on without growth, candidates chosen at random, a network
of as many channels from scratch, and for the phase on views the same from scratch, with ERA and with AugMix. Those from
scratch have as many epochs as fit into the processor time that GEARnn took, by what an epoch of theirs takes. Robust is
the mean accuracy under the fifteen usual corruptions at five severities. What is in `--out` is not made again.

It needs the extra `train` (make zoo). 360 small drawings are no photographs: what falls out here is of digits alone.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from groupnl_deploy.analysis.mean import mean_of
from groupnl_deploy.growth.step import GrowthSettings
from groupnl_deploy.images.source import DataSource
from groupnl_deploy.models.profile import profile
from groupnl_deploy.models.registry import model_spec, with_one_width
from groupnl_deploy.models.spec import ModelSpec
from groupnl_deploy.progress import Silence
from groupnl_deploy.training.checkpoint import load_checkpoint
from groupnl_deploy.training.gearnn import Gearnn, train_gearnn
from groupnl_deploy.training.recipe import Recipe
from groupnl_deploy.training.train import train_checkpoint

ERA, AUGMIX = (1, 3, 4), (3, 3, 3)
DIGITS = DataSource("digits")
K_NEW = 16


@dataclass(frozen=True)
class Setting:
    """What all contestants share."""

    epochs: int
    w0: int
    gamma: float
    seed: int

    @property
    def backbone(self) -> ModelSpec:
        return self.wide(self.w0)

    @property
    def uniform(self) -> ModelSpec:
        """As many channels as the grown network has, the same number in each layer."""
        return self.wide(round(self.w0 * (1 + self.gamma)))

    def wide(self, channels: int) -> ModelSpec:
        spec = model_spec("vgg11_cifar", num_classes=10, input_shape=(3, 32, 32), seed=self.seed)
        return with_one_width(spec, channels)

    @property
    def recipe(self) -> Recipe:
        return Recipe(epochs=self.epochs, seed=self.seed)


@dataclass(frozen=True)
class Outcome:
    """Of one training: accuracies from 0 to 1, seconds of processor time, parameters."""

    clean: float
    robust: float
    cpu_s: float
    parameters: int


def grown(how: str, setting: Setting, out: Path, epochs: int) -> None:
    """By GEARnn: without views, with random choice, or one of its variants. `epochs` is that of each phase."""
    select = "random" if how == "random choice" else "score"
    growth = GrowthSettings(setting.gamma, K_NEW, select, seed=setting.seed)
    variant = 1 if how == "GEARnn-1" else 2
    settings = Gearnn(
        growth=growth, variant=variant, e1=epochs, e2=epochs, er=epochs if how == "GEARnn-2" else 0, views=ERA
    )
    train_gearnn(setting.backbone, setting.recipe, DIGITS, out, settings, Silence())


def trained(how: str, setting: Setting, out: Path, epochs: int) -> None:
    """From scratch: the backbone, or the network of one width, on plain images or on views."""
    views = {"ERA from scratch": ERA, "AugMix from scratch": AUGMIX}.get(how)
    spec = setting.backbone if how.startswith("backbone") else setting.uniform
    train_checkpoint(spec, replace(setting.recipe, epochs=epochs, augmix=views), DIGITS, out, Silence())


CONTESTANTS: dict[str, tuple[Callable[[str, Setting, Path, int], None], str | None]] = {
    "backbone": (trained, None),
    "grown": (grown, None),
    "backbone, as long as grown": (trained, "grown"),
    "random choice": (grown, None),
    "one width from scratch": (trained, "grown"),
    "GEARnn-1": (grown, None),
    "GEARnn-2": (grown, None),
    "ERA from scratch": (trained, "GEARnn-2"),
    "AugMix from scratch": (trained, "GEARnn-2"),
}
"""How each is made, and whose processor time it has, one above it; None for its own epochs."""


def main() -> None:
    """Make what is missing, then print the table; with --one make one checkpoint."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--w0", type=int, default=8)
    parser.add_argument("--gamma", type=float, default=0.9)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("runs/growth"))
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--one", nargs=3, metavar=("NAME", "EPOCHS", "FOLDER"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    setting = Setting(asked.epochs, asked.w0, asked.gamma, asked.seeds[0])
    if asked.one:
        name, epochs, folder = asked.one
        CONTESTANTS[name][0](name, setting, Path(folder), int(epochs))
        return
    asked.out.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(asked.workers) as pool:
        settings = [replace(setting, seed=seed) for seed in asked.seeds]
        found = list(pool.map(lambda one: outcomes(one, asked.out / f"seed-{one.seed}"), settings))
    if asked.json:
        print(json.dumps([{name: asdict(one) for name, one in seed.items()} for seed in found], indent=2))
    else:
        print("\n".join(table(found)))


def outcomes(setting: Setting, out: Path) -> dict[str, Outcome]:
    """Of all contestants with one seed."""
    made: dict[str, Outcome] = {}
    for name, (_, equal) in CONTESTANTS.items():
        folder = out / name.replace(" ", "-").replace(",", "")
        kept = folder.with_suffix(".json")
        if not kept.exists():
            epochs = setting.epochs if equal is None else fitting(name, setting, made[equal].cpu_s)
            seconds = made_in(name, setting, folder, epochs)
            kept.write_text(json.dumps(asdict(outcome_of(folder, seconds))))
        made[name] = Outcome(**json.loads(kept.read_text()))
        print(f"seed {setting.seed}, {name}: {made[name]}", file=sys.stderr, flush=True)
    return made


def fitting(name: str, setting: Setting, cpu_s: float) -> int:
    """How many epochs take about so many seconds, by trainings of one epoch and of three."""
    with tempfile.TemporaryDirectory() as folder:
        one, three = (made_in(name, setting, Path(folder) / str(epochs), epochs) for epochs in (1, 3))
    each = max((three - one) / 2, 0.01)
    return max(1, round((cpu_s - (one - each)) / each))


def made_in(name: str, setting: Setting, folder: Path, epochs: int) -> float:
    """Processor seconds of a process that makes it, and of those that read its images."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    words = [f"--seeds={setting.seed}", f"--w0={setting.w0}", f"--gamma={setting.gamma}", f"--epochs={setting.epochs}"]
    line = [sys.executable, __file__, *words, "--one", name, str(epochs), str(folder)]
    with subprocess.Popen(line, env=os.environ | {"OMP_NUM_THREADS": "1"}) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{name} ended with exit code {process.returncode}")
    return used.ru_utime + used.ru_stime


def outcome_of(folder: Path, cpu_s: float) -> Outcome:
    """Clean and robust accuracy, by `groupnl evaluate`."""
    words = ["evaluate", str(folder), "--corruptions", "usual", "--out", str(folder.with_suffix(".evaluations"))]
    line = [sys.executable, "-m", "groupnl_deploy.cli.entry", *words, "--json"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(line, stdout=subprocess.PIPE, check=True, env=environment)
    (told,) = json.loads(done.stdout)["evaluations"]
    errors = [error for severities in told["errors"].values() for error in severities.values()]
    parameters = profile(load_checkpoint(folder).spec).total.params
    return Outcome(told["clean_accuracy"], 1 - sum(errors) / len(errors), cpu_s, parameters)


def table(found: Sequence[Mapping[str, Outcome]]) -> list[str]:
    """As the docs have it."""
    lines = ["| network | clean, % | robust, % | processor, s | parameters |", "| --- | --- | --- | --- | --- |"]
    for name in CONTESTANTS:
        these = [one[name] for one in found]
        clean, robust = (told([getattr(one, key) for one in these]) for key in ("clean", "robust"))
        seconds = sum(one.cpu_s for one in these) / len(these)
        parameters = sum(one.parameters for one in these) / len(these)
        lines.append(f"| {name} | {clean} | {robust} | {seconds:.0f} | {parameters:,.0f} |")
    return lines


def told(shares: Sequence[float]) -> str:
    """In per cent, with the lowest and the highest, from six on Student's interval of 95 %."""
    mean = mean_of([100 * share for share in shares])
    return f"{mean.mean:.1f} ({mean.low:.1f} to {mean.high:.1f})"


if __name__ == "__main__":
    main()
