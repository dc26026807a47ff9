"""A training step of GroupNL networks against standard, Ghost and SineFM: time and memory, side by side.

    python benchmarks/train.py [--threads 1 2] [--rounds 15] [--clock cpu] [--quick] [--json]
    python benchmarks/train.py --gpu [--quick] [--json]
    python benchmarks/train.py --images [--model mobilenetv3_large_100] [--side 224] [--steps 12] [--costs]

The first: all convolutions of a network take turns in one process, a step each, in an order that rotates. A ratio is
the median over the rounds of the time over the standard network's in the same round, its quartiles in brackets, so
slow spells of the machine fall on all alike. With --clock cpu it is processor time, for a machine on which others
compute. Memory is what three steps hold at the most beyond the network and its batch, each in a process of its own.

--gpu: ResNet-101 and MobileNetV3 at 224x224 with fp16 on a CUDA card, GroupNL's step against the standard's: in both
memory layouts, and ResNet-101 by torch.compile as well, in about ten minutes, most of which is compiling. Kernels are
what the card computes in a step; where that is less than the step, it waits for the processor. Where there is no card
it says what was not run, and does the same with a small network on the CPU.

--images: what an image costs before the network sees it, and how fast a training is by threads and by processes that
read; with --costs only the first, in processor time, which other work on the machine changes little.
"""

import argparse
import contextlib
import json
import os
import platform
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

# Before anything imports PyTorch: threads that spin while waiting disturb whatever shares the machine.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch
from train_images import measure_images
from train_steps import (
    Clock,
    Contestant,
    Ratio,
    card_peak,
    in_turns,
    kernel_seconds,
    peak_bytes,
    sized,
    step_of,
    taking_turns,
)

GPU_ROUNDS = 30
ON_CARD = [
    ("resnet101", ("groupnl-sparse",), 64, {}),
    ("resnet101", ("groupnl-sparse",), 64, {"channels_last": True}),
    ("mobilenetv3_large_100", ("groupnl-sparse", "ghost", "sinefm"), 256, {}),
    ("mobilenetv3_large_100", ("groupnl-sparse",), 256, {"channels_last": True}),
    ("resnet101", ("groupnl-sparse",), 64, {"compiled": True}),
]
"""Network, what is held against its standard form, batch, and how it is computed; what is compiled takes minutes and
comes last."""
# Of a network its batch, side and the word of GroupNL; the quick one is smaller in all.
NETWORKS = {"resnet18_cifar": (32, 32, "groupnl"), "mobilenetv3_large_100": (8, 224, "groupnl-sparse")}
QUICK = {"resnet18_cifar": (8, 32, "groupnl"), "mobilenetv3_large_100": (2, 96, "groupnl-sparse")}


def main() -> None:
    """Measure one of the three parts and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--gpu", action="store_true")
    parser.add_argument("--images", action="store_true")
    parser.add_argument("--model", default="mobilenetv3_large_100")
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--costs", action="store_true")
    asked = parser.parse_args()
    if asked.images:
        measure_images(asked.model, asked.side, asked.steps, asked.costs)
        return
    with contextlib.redirect_stdout(sys.stderr) if asked.json else contextlib.nullcontext():
        print_machine()
        rows = gpu_rows(asked.quick) if asked.gpu else cpu_rows(asked.threads, asked.rounds, asked.clock, asked.quick)
    if asked.json:
        print(json.dumps(rows, indent=2))


def print_machine() -> None:
    """What ratios may depend on."""
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    print(f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}, load {load}")


def contestants(network: str, batch: int, side: int, groupnl: str) -> list[Contestant]:
    """The standard network first: the others are held against it."""
    made = [("standard", "released"), (groupnl, "released"), (groupnl, "paper"), ("ghost", "released")]
    return [Contestant(network, *one, batch, side) for one in [*made, ("sinefm", "released")]]


def cpu_rows(threads: Sequence[int], rounds: int, clock: Clock, quick: bool) -> list[dict[str, Any]]:
    """Time of every network by threads, then memory."""
    rows = []
    for network, shape in (QUICK if quick else NETWORKS).items():
        these = contestants(network, *shape)
        peaks = [peak_bytes(one) for one in these]
        for count in threads:
            torch.set_num_threads(count)
            found = table(f"{network}, {count} threads, {clock} clock", these, 3 if quick else rounds, clock, peaks)
            rows += [row | {"network": network, "threads": count, "clock": clock} for row in found]
    return rows


def table(
    title: str, these: Sequence[Contestant], rounds: int, clock: Clock, peaks: Sequence[int], warm: int = 2
) -> list[dict[str, Any]]:
    """Measure, print and return one table."""
    return printed(title, these, in_turns(these, rounds, clock, warm), peaks)


def printed(
    title: str,
    these: Sequence[Contestant],
    taken: Sequence[Sequence[float]],
    peaks: Sequence[int],
    kernels: Sequence[float] = (),
) -> list[dict[str, Any]]:
    """Print and return what was measured: each network's seconds by round, bytes, and seconds of a card's kernels."""
    first = these[0]
    print(f"\n{title}: batch {first.batch}, {first.side}x{first.side}, {len(taken[0])} rounds")
    behind = f"{'kernels ms':>12}{'of standard':>13}" if kernels else ""
    print(f"{'':<28}{'ms a step':>10}{'of standard':>20}{'peak MiB':>10}{'of standard':>13}{behind}")
    rows = []
    for index, (one, times, peak) in enumerate(zip(these, taken, peaks, strict=True)):
        ratio = Ratio.of(times, taken[0])
        milliseconds = 1000 * sorted(times)[len(times) // 2]
        row = {"name": str(one), "ms": milliseconds, "ratio": asdict(ratio), "peak_bytes": peak}
        behind = f"{1000 * kernels[index]:>12.1f}{kernels[index] / kernels[0]:>13.2f}" if kernels else ""
        print(f"{one!s:<28}{milliseconds:>10.1f}{ratio!s:>20}{peak / 2**20:>10.0f}{peak / peaks[0]:>13.2f}{behind}")
        rows.append(row | ({"kernels_ms": 1000 * kernels[index]} if kernels else {}))
    return rows


def gpu_rows(quick: bool) -> list[dict[str, Any]]:
    """Every pair of `ON_CARD`; where that cannot be run it is said."""
    if torch.cuda.is_available() and not quick:
        print(torch.cuda.get_device_name())
        return [row for one in ON_CARD for row in told(card_rows, *one)]
    print("Not run, for want of a CUDA card (or with --quick): ResNet-101 and MobileNetV3 at 224x224 in fp16, with and")
    print("without torch.compile. The same steps with a small network on the CPU, which says nothing of a GPU:")
    return [row for compiled in (False, True) for row in told(small_rows, compiled)]


def told(measure: Callable[..., list[dict[str, Any]]], *what: Any) -> list[dict[str, Any]]:
    """What is measured; nothing, and why, where a compiler is missing, a layer is none that it takes, or memory."""
    try:
        return measure(*what)
    except Exception as error:
        print(f"Not run, {what}: {type(error).__name__}: {str(error).strip().splitlines()[0]}")
        return []


def card_rows(network: str, others: tuple[str, ...], batch: int, how: dict[str, bool]) -> list[dict[str, Any]]:
    """The standard network and others on a card, in turns."""
    one = Contestant(network, "standard", "released", batch, 224, "cuda", half=True)
    these = [sized(each, **how) for each in (one, *(sized(one, method=other) for other in others))]
    steps = [step_of(each) for each in these]
    peaks = [card_peak(step) for step in steps]
    kernels = [kernel_seconds(step) for step in steps]
    title = ", ".join([network, "fp16", *(word.replace("_", " ") for word in how)])
    return printed(title, these, taking_turns(steps, "cuda", GPU_ROUNDS, "wall", 5), peaks, kernels)


def small_rows(compiled: bool) -> list[dict[str, Any]]:
    """A small network on the CPU, for trying the way alone."""
    changes = {"width": 0.125}
    one = Contestant("resnet18_cifar", "standard", "released", 4, 32, half=True, compiled=compiled, changes=changes)
    these = [one, sized(one, method="groupnl")]
    peaks = [peak_bytes(each) for each in these]
    return table(f"bf16{', compiled' if compiled else ''}", these, 3, "wall", peaks, 1)


if __name__ == "__main__":
    main()
