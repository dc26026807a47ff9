"""Latency of whole networks in PyTorch: the inference form beside the eager network that it equals.

    python benchmarks/inference.py [NETWORK …] [--threads 1 2] [--seconds 8] [--profile] [--json]

Three candidates per network, one image each, in inference mode: "as written" is the eager network whose GroupNL layers
follow Algorithm 1 and the released code step by step (grouped convolution, normalize, split, repeat, cat);
"eager" is the network as this project builds and trains it, whose layers are the fast exact ones; "inference" is
`to_inference` of it. They take turns in one process, in an order that rotates, and a ratio is the median over the
rounds of (candidate's time / inference form's time in the same round), so that slow spells of the machine fall on all
alike. Statistics of the BatchNorms are random, and the outputs are compared before anything is timed.

`--profile` adds the operators that take the most time in the eager network and in the inference form.
The target is printed as met or MISSED; nothing here fails on it.
"""

import argparse
import copy
import json
import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

# Before anything imports PyTorch: threads that spin while waiting disturb whatever shares the machine.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # the profiler reports its own start and stop otherwise

import torch
from layers import LiteralGroupNLConv2d, machine
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from groupnl_deploy.models.inference import to_inference
from groupnl_deploy.models.layers.groupnl import GroupNLConv2d
from groupnl_deploy.models.registry import create_model, model_spec

TARGET_NETWORK, TARGET = "mobilenetv3_gnl_large_100", 1.5
NETWORKS = (
    TARGET_NETWORK,
    "mobilenetv2_gnl_100",
    "efficientnet_gnl_lite0",
    "efficientnet_gnl_es",
    "gnl_resnet50",
    "resnet18_cifar",
)
FEWEST_ROUNDS, MOST_ROUNDS = 7, 101
TOLERANCE = 1e-4
OPERATORS_SHOWN = 12


@dataclass(frozen=True)
class Row:
    """One measured row: median ms of every candidate, and its time over the inference form's in the same round."""

    network: str
    threads: int
    rounds: int
    ms: dict[str, float]
    ratio: dict[str, float]
    error: float


def randomised(network: nn.Module) -> nn.Module:
    """The network with BatchNorms as training leaves them, not as initialisation does."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(std=0.1)
            module.running_var.uniform_(0.5, 1.5)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.1)
    return network.eval()


def as_written(network: nn.Module) -> nn.Module:
    """The same network with every GroupNL layer in the literal form of the paper and the released code."""
    literal = copy.deepcopy(network)
    for module in literal.modules():
        if type(module) is GroupNLConv2d:
            module.__class__ = LiteralGroupNLConv2d
            module.conv1.__class__ = nn.Conv2d  # the same parameters, its own forward
    return literal


def candidates(name: str) -> tuple[dict[str, nn.Module], Tensor]:
    torch.manual_seed(0)
    spec = model_spec(name, otherwise="groupnl")
    eager = randomised(create_model(spec))
    return {"as written": as_written(eager), "eager": eager, "inference": to_inference(eager)}, torch.randn(
        1, *spec.input_shape
    )


def difference(networks: dict[str, nn.Module], images: Tensor) -> float:
    """Largest deviation from the eager outputs, over their standard deviation."""
    expected = networks["eager"](images)
    largest = max((network(images) - expected).abs().max().item() for network in networks.values())
    return largest / expected.std().item()


def timed(networks: dict[str, nn.Module], images: Tensor, budget_s: float) -> dict[str, list[float]]:
    """Seconds of one inference, for each candidate and round; the order rotates from round to round."""
    names = list(networks)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    one_round = 0.0
    for _ in range(2):  # the first call of all is no measure of anything
        one_round = sum(latency(network, images) for network in networks.values())
    for turn in range(min(MOST_ROUNDS, max(FEWEST_ROUNDS, int(budget_s / one_round)))):
        shift = turn % len(names)
        for name in names[shift:] + names[:shift]:
            seconds[name].append(latency(networks[name], images))
    return seconds


def latency(network: nn.Module, images: Tensor) -> float:
    start = time.perf_counter()
    network(images)
    return time.perf_counter() - start


def measured(name: str, networks: dict[str, nn.Module], images: Tensor, threads: int, budget_s: float) -> Row:
    torch.set_num_threads(threads)
    error = difference(networks, images)
    seconds = timed(networks, images, budget_s)
    fast = seconds["inference"]
    return Row(
        name,
        threads,
        len(fast),
        ms={key: 1e3 * statistics.median(values) for key, values in seconds.items()},
        ratio={
            key: statistics.median(a / b for a, b in zip(values, fast, strict=True)) for key, values in seconds.items()
        },
        error=error,
    )


def show(row: Row) -> None:
    times = "  ".join(f"{name} {row.ms[name]:8.2f} ms" for name in row.ms)
    ratios = f"{row.ratio['as written']:5.2f}x as written, {row.ratio['eager']:5.2f}x eager"
    equal = "equal" if row.error <= TOLERANCE else "DIFFERENT"
    place = f"{row.network:<26}{row.threads} thr {row.rounds:>4} rounds"
    print(f"{place}  {times}  faster than: {ratios}  ({equal}, {row.error:.0e} of the spread)", flush=True)


def show_profile(network: nn.Module, images: Tensor, title: str, runs: int = 5) -> None:
    """The operators by the time they take themselves, per inference, and the rest in one line."""
    for _ in range(2):
        network(images)
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        for _ in range(runs):
            network(images)
    events = sorted(profiler.key_averages(), key=lambda event: -event.self_cpu_time_total)
    total = sum(event.self_cpu_time_total for event in events)
    calls = sum(event.count for event in events)
    print(f"\n{title}: {total / runs / 1e3:.2f} ms under the profiler, {calls // runs} operator calls")
    for event in events[:OPERATORS_SHOWN]:
        print(f"  {event.key:<34}{event.self_cpu_time_total / runs / 1e3:8.2f} ms{event.count // runs:6} calls")
    rest = sum(event.self_cpu_time_total for event in events[OPERATORS_SHOWN:])
    print(f"  {'everything else':<34}{rest / runs / 1e3:8.2f} ms", flush=True)


def verdict(rows: Sequence[Row]) -> str:
    chosen = [row for row in rows if row.network == TARGET_NETWORK and row.threads == 1]
    if not chosen:
        return f"not measured: {TARGET_NETWORK} at 1 thread"
    found = chosen[0].ratio["eager"]
    word = "met   " if found >= TARGET else "MISSED"
    return f"{word}  {TARGET_NETWORK}, 1 thread: {found:.2f}x the speed of today's eager network, target {TARGET}"


def run(arguments: argparse.Namespace, say: Callable[[Row], None]) -> list[Row]:
    rows = []
    for name in arguments.networks:
        networks, images = candidates(name)
        for threads in arguments.threads:
            rows.append(measured(name, networks, images, threads, arguments.seconds))
            say(rows[-1])
            if arguments.profile:
                for title in ("eager", "inference"):
                    show_profile(networks[title], images, f"{name}, {threads} thr, {title}")
                print()
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description="Latency of the inference form in PyTorch.")
    parser.add_argument("networks", nargs="*", default=NETWORKS, help=f"default: {' '.join(NETWORKS)}")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="thread counts (default 1 2)")
    parser.add_argument("--seconds", type=float, default=8.0, help="to spend on a row (default 8)")
    parser.add_argument("--profile", action="store_true", help="operators before and after")
    parser.add_argument("--json", action="store_true", help="print all numbers as JSON instead")
    arguments = parser.parse_args()
    if arguments.json and arguments.profile:
        parser.error("--profile prints tables, which are not part of the JSON")
    if not arguments.json:
        print(machine(), "one image, median milliseconds", sep="\n")
    with torch.inference_mode():
        rows = run(arguments, (lambda row: None) if arguments.json else show)
    if arguments.json:
        print(json.dumps({"machine": machine(), "rows": [asdict(row) for row in rows], "verdict": verdict(rows)}))
    else:
        print(f"\n{verdict(rows)}")


if __name__ == "__main__":
    main()
