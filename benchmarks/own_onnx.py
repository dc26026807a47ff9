"""Speed of ONNX files as they are given and as `groupnl export --onnx` writes them: ratios within one process.

    python benchmarks/own_onnx.py [--nets …] [--pixels 224] [--threads 1] [--rounds 40] [--clock cpu] [--quick]

"As given" is torch's export, which ONNX Runtime optimises by itself as it loads it, and so it does the other. The two
run in turns in one process, batch 1, and whoever begins changes with every round; a ratio is the median of those of
single rounds, in brackets their quartiles, which say how quiet the machine was. timm's networks have seeded random
weights and the BatchNorm statistics of photographs; those in the authors' form are GroupNL by torch.split, repeat and
cat. On a machine on which others compute as well, `--clock cpu` takes the processor time of the one thread for its
latency. timm comes with `make zoo`; without it only the latter are measured.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for tests.rigs

from groupnl_deploy.export_onnx import export_own_onnx
from groupnl_deploy.images.bench_images import bench_images
from groupnl_deploy.images.preprocessing import as_input, preprocessing
from tests.rigs.authors_form import authors_net
from tests.rigs.timm_nets import WHY_NOT, has_timm, settled, write_onnx

TIMM = (
    *("mobilenetv2_100", "mobilenetv3_large_100", "efficientnet_b0", "efficientnet_lite0", "resnet18", "resnet50"),
    *("regnetx_002", "regnety_002", "convnext_atto", "convnext_femto", "vit_tiny_patch16_224"),
)
AUTHORS: dict[str, Callable[[], nn.Module]] = {
    "authors r=2": lambda: authors_net(2, 1, True, 64),
    "authors r=4, g=4": lambda: authors_net(4, 4, True, 64),
    "authors r=2, no norm": lambda: authors_net(2, 1, False, 64),
}
QUICK = ("mobilenetv3_large_100", "regnety_002", *AUTHORS)
WARM_UP = 5
CLOCKS: dict[str, Callable[[], float]] = {"wall": time.perf_counter, "cpu": time.thread_time}


def photographs(pixels: int, count: int) -> torch.Tensor:
    return as_input(torch.tensor(bench_images(None, (3, pixels, pixels), count).images), *preprocessing(None, 3))


def network(name: str, pixels: int) -> nn.Module:
    if name in AUTHORS:
        return AUTHORS[name]()
    options = {"img_size": pixels} if name.startswith("vit") else {}
    return settled(name, photographs(pixels, 8), **options)


def session(path: Path, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def latencies(contestants: Sequence[Path], image: np.ndarray, asked: argparse.Namespace) -> np.ndarray:
    """(rounds, contestants) milliseconds, in an order that rotates."""
    sessions = [session(path, asked.threads) for path in contestants]
    now = CLOCKS[asked.clock]
    found = np.zeros((asked.rounds, len(sessions)))
    for number in range(-WARM_UP, asked.rounds):
        order = np.roll(np.arange(len(sessions)), number)
        for index in order:
            begun = now()
            sessions[index].run(None, {"input": image})
            found[number, index] = 1e3 * (now() - begun)
    return found


def rows(names: Sequence[str], asked: argparse.Namespace) -> Iterator[str]:
    pixels = asked.pixels
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            given = Path(folder) / f"{len(name)}-{hash(name)}.onnx"
            write_onnx(network(name, pixels), (1, 3, pixels, pixels), given)
            artifact = export_own_onnx(given, given.with_suffix(".artifact"))
            ours = artifact.path("model")
            found = latencies((given, ours), photographs(pixels, 1).numpy(), asked)
            low, middle, high = np.quantile(found[:, 0] / found[:, 1], (0.25, 0.5, 0.75))
            nodes = [len(onnx.load(path).graph.node) for path in (given, ours)]
            fired = ", ".join(f"{report.name} {report.fired}" for report in artifact.manifest.passes if report.fired)
            before, after = np.median(found, axis=0)
            yield (
                f"| {name} | {before:.2f} | {after:.2f} | {middle:.2f} ({low:.2f} to {high:.2f}) "
                f"| {nodes[0]} → {nodes[1]} | {fired} |"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nets", nargs="+", default=None, choices=[*TIMM, *AUTHORS])
    parser.add_argument("--pixels", type=int, default=224)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    parser.add_argument("--quick", action="store_true", help="few networks of 64 pixels, few rounds")
    asked = parser.parse_args()
    names = asked.nets or (QUICK if asked.quick else (*TIMM, *AUTHORS))
    if not has_timm():
        print(f"timm's are left out: {WHY_NOT}")
        names = [name for name in names if name in AUTHORS]
    if asked.quick:
        asked.pixels, asked.rounds = 64, 15
    if asked.clock == "cpu" and asked.threads != 1:
        parser.error("--clock cpu is for --threads 1: it is the processor time of one thread")
    setting = f"{asked.threads} thread(s), {asked.pixels} pixels, batch 1, clock {asked.clock}"
    print(f"ONNX Runtime {onnxruntime.__version__}, {setting}")
    print("| network | as given, ms | full, ms | times as fast | nodes | passes that fired |")
    print("| --- | --- | --- | --- | --- | --- |")
    for row in rows(names, asked):
        print(row, flush=True)


if __name__ == "__main__":
    main()
