"""Time and memory of single layers: GroupNL beside what it replaces and what it competes with.

    python benchmarks/layers.py [--threads 1 2] [--batch 1 32] [--tables layers …] [--quick] [--json]

Everything in one table row is measured in one process, in turns: each round runs every candidate once, in an
order that rotates, and a ratio is the median over the rounds of (candidate / baseline in the same round). Slow
spells of the machine then fall on all candidates alike.

"fwd" is the forward pass in inference mode; "train" is forward and backward, with gradients for the input and
all learnable weights, as inside a network. Peak memory is the highest sum of bytes that PyTorch's CPU allocator
holds for the call beyond what it held before (profiler events): outputs, saved tensors, gradients and temporary
tensors, but not the input, the weights, or scratch that oneDNN takes from the system itself.

Targets are printed as met or MISSED at the end; nothing here fails on them.
"""

import argparse
import json
import math
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

# Before anything imports PyTorch: threads that spin while waiting disturb whatever shares the machine.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # the profiler reports its own start and stop otherwise

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.profiler import ProfilerActivity, profile

from groupnl_deploy.models.layers.build import build_conv
from groupnl_deploy.models.layers.groupnl import GroupNLConv2d
from groupnl_deploy.models.layers.shape import ConvShape
from groupnl_deploy.models.layers.sparse import SparseConv2d
from groupnl_deploy.models.spec import ConvSpec

SEED_CONV_LIMIT = 1.5
GENERATION_LIMIT = 1.03
TABLES = ("layers", "seed-conv", "generation")
FEWEST_ROUNDS, MOST_ROUNDS = 3, 31
SHORTEST_SAMPLE_S = 2e-3  # shorter calls are repeated within a sample


@dataclass(frozen=True)
class Case:
    """One convolution c → c on a square image, and how GroupNL replaces it."""

    place: str
    channels: int
    kernel: int
    stride: int
    size: int
    ratio: int = 2
    sparse: bool = False

    def __str__(self) -> str:
        sparse = " sparse" if self.sparse else ""
        return f"{self.place} {self.channels},{self.kernel},{self.stride},{self.size} r{self.ratio}{sparse}"

    @property
    def seeds(self) -> int:
        return self.channels // self.ratio

    @property
    def shape(self) -> ConvShape:
        return ConvShape(self.channels, self.channels, self.kernel, self.stride, padding=self.kernel // 2)


@dataclass(frozen=True)
class Row:
    """One measured row: ms and peak bytes of every candidate, and its time over the baseline's."""

    table: str
    case: str
    mode: str
    threads: int
    batch: int
    baseline: str
    ms: dict[str, float]
    ratio: dict[str, float]
    peak: dict[str, int]


PROFILED = tuple(Case("table16", 512, 3, 2, 32, r, sparse) for sparse in (False, True) for r in (2, 4, 8))
RESNET18 = tuple(Case("resnet18", c, 3, 1, hw) for c, hw in ((64, 56), (128, 28), (256, 14), (512, 7)))
MOBILENET_V3 = tuple(
    Case("mobilenet", *shape, sparse=True)
    for shape in ((72, 5, 2, 56), (240, 3, 1, 28), (480, 3, 1, 14), (672, 5, 1, 14), (960, 5, 1, 7))
)
SEED_CONVS = tuple(
    Case("seed conv", *shape, ratio=ratio, sparse=True)
    for shape in ((240, 3, 1, 28), (960, 5, 1, 7), (192, 3, 1, 56), (72, 5, 2, 56), (512, 3, 2, 32))
    for ratio in (2, 4)
)
GENERATIONS = tuple(
    Case("generation", c, 1, 1, hw, ratio)
    for c, hw in ((512, 16), (64, 56), (128, 28), (256, 14), (512, 7), (240, 28), (480, 14), (672, 14), (960, 7))
    for ratio in (2, 4, 8)
    if c % (4 * ratio) == 0
)


class LiteralGroupNLConv2d(GroupNLConv2d):
    """The same layer step by step as Algorithm 1 and the released code write it: split, repeat, cat."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, c_in, H, W) → (N, c_out, H', W')."""
        seeds = self.conv1(x)
        if self.normalize:
            seeds = functional.normalize(seeds, dim=1)
        block = self.seed_channels // self.nl_groups
        parts = torch.split(seeds, block, dim=1)
        copied = torch.cat([part.repeat(1, self.copies, 1, 1) for part in parts], dim=1)
        shape = (1, self.copies * self.seed_channels, 1, 1)
        periods = self.periods.repeat_interleave(block).reshape(shape)
        shifts = self.shifts.repeat_interleave(block).reshape(shape)
        return torch.cat([seeds, torch.sin(periods * (copied - shifts))], dim=1)


def groupnl(kind: type[GroupNLConv2d], case: Case) -> nn.Module:
    layer = kind(ConvSpec("groupnl-sparse" if case.sparse else "groupnl", ratio=case.ratio), case.shape)
    if kind is LiteralGroupNLConv2d:  # the seed convolution as written too
        layer.conv1 = plain_conv(case, case.seeds, layer.conv1.groups)
    return layer


def plain_conv(case: Case, out_channels: int, groups: int) -> nn.Conv2d:
    padding = case.kernel // 2
    return nn.Conv2d(case.channels, out_channels, case.kernel, case.stride, padding, groups=groups, bias=False)


def layers(case: Case) -> dict[str, nn.Module]:
    """Every method in this place; the first is the baseline."""
    candidates = {
        "standard": plain_conv(case, case.channels, groups=1),
        "depthwise": build_conv(ConvSpec("depthwise"), case.shape),
        "GroupNL": groupnl(GroupNLConv2d, case),
        "literal": groupnl(LiteralGroupNLConv2d, case),
        "Ghost": build_conv(ConvSpec("ghost", ratio=case.ratio), case.shape),
        "SineFM": build_conv(ConvSpec("sinefm", ratio=case.ratio), case.shape),
    }
    first = "depthwise" if case.sparse else "standard"
    return {first: candidates.pop(first)} | candidates


def seed_convs(case: Case) -> dict[str, nn.Module]:
    """The sparse seed convolution in two forms, against the depthwise one that it replaces."""
    padding = case.kernel // 2
    ours = SparseConv2d(case.channels, case.seeds, case.kernel, case.stride, padding, groups=case.seeds, bias=False)
    return {
        "depthwise": plain_conv(case, case.channels, groups=case.channels),
        "SparseConv2d": ours,
        "as written": plain_conv(case, case.seeds, groups=case.seeds),
    }


def generations(case: Case) -> dict[str, nn.Module]:
    """Seed maps → output alone: the layer with an identity in the place of its seed convolution."""
    made: dict[str, nn.Module] = {}
    for name, kind in (("literal", LiteralGroupNLConv2d), ("GroupNL", GroupNLConv2d)):
        conv = ConvSpec("groupnl", ratio=case.ratio, normalize=False)
        layer = kind(conv, ConvShape(case.channels, case.channels, 1))
        layer.conv1 = nn.Identity()
        made[name] = layer
    return made


def calls(modules: dict[str, nn.Module], x: Tensor, mode: str) -> dict[str, Callable[[], object]]:
    """One call to time for each module."""
    if mode == "fwd":
        return {name: inference(module.eval(), x) for name, module in modules.items()}
    return {name: training_step(module.train(), x) for name, module in modules.items()}


def inference(module: nn.Module, x: Tensor) -> Callable[[], object]:
    def call() -> object:
        with torch.inference_mode():
            return module(x)

    return call


def training_step(module: nn.Module, x: Tensor) -> Callable[[], object]:
    x = x.clone().requires_grad_()
    upstream = torch.randn_like(module(x))

    def call() -> None:
        module(x).backward(upstream)
        x.grad = None  # at the end: a call leaves and finds nothing, so that its peak is its own
        module.zero_grad()

    return call


def timed(candidates: dict[str, Callable[[], object]], budget_s: float) -> dict[str, list[float]]:
    """Seconds of one call, for each candidate and round; the order rotates from round to round."""
    names = list(candidates)
    repeats = {name: warmed_repeats(candidates[name]) for name in names}
    seconds: dict[str, list[float]] = {name: [] for name in names}
    one_round = sum(repeats[name] * sample(candidates[name], repeats[name]) for name in names)
    for turn in range(min(MOST_ROUNDS, max(FEWEST_ROUNDS, int(budget_s / one_round)))):
        shift = turn % len(names)
        for name in names[shift:] + names[:shift]:
            seconds[name].append(sample(candidates[name], repeats[name]))
    return seconds


def warmed_repeats(call: Callable[[], object]) -> int:
    return max(1, math.ceil(SHORTEST_SAMPLE_S / sample(call, 1)))


def sample(call: Callable[[], object], repeats: int) -> float:
    """Seconds of one call, after an untimed one: the heap and caches are then its own, not its predecessor's."""
    call()
    start = time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - start) / repeats


def peak_bytes(call: Callable[[], object]) -> int:
    """Highest sum of the CPU allocator's events during the call."""
    call()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        call()
    events = [event for event in profiler.profiler.kineto_results.events() if event.name() == "[memory]"]
    held = peak = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        held += event.nbytes()
        peak = max(peak, held)
    return peak


def measured(table: str, case: Case, modules: dict[str, nn.Module], width: int, at: tuple[int, int, str, float]) -> Row:
    """One row. `width` is the channels of the input; `at` is (threads, batch, mode, seconds to spend)."""
    threads, batch, mode, budget_s = at
    torch.set_num_threads(threads)
    candidates = calls(modules, torch.randn(batch, width, case.size, case.size), mode)
    seconds = timed(candidates, budget_s)
    baseline = next(iter(candidates))
    return Row(
        table,
        str(case),
        mode,
        threads,
        batch,
        baseline,
        ms={name: 1e3 * statistics.median(values) for name, values in seconds.items()},
        ratio={name: paired(values, seconds[baseline]) for name, values in seconds.items()},
        peak={name: peak_bytes(call) for name, call in candidates.items()},
    )


def paired(ours: Sequence[float], baseline: Sequence[float]) -> float:
    return statistics.median(a / b for a, b in zip(ours, baseline, strict=True))


def table_rows(arguments: argparse.Namespace) -> Iterable[Row]:
    """All rows, as they come."""
    quick = arguments.quick
    tables: tuple[tuple[str, Sequence[Case], Callable[[Case], dict[str, nn.Module]]], ...] = (
        (
            "layers",
            (PROFILED[0], PROFILED[3], RESNET18[1], *MOBILENET_V3[1:2])
            if quick
            else PROFILED + RESNET18 + MOBILENET_V3,
            layers,
        ),
        ("seed-conv", SEED_CONVS[::2] if quick else SEED_CONVS, seed_convs),
        ("generation", GENERATIONS[::3] if quick else GENERATIONS, generations),
    )
    for table, cases, build in tables:
        if table not in arguments.tables:
            continue
        for case in cases:
            torch.manual_seed(0)
            modules = build(case)
            width = case.seeds if table == "generation" else case.channels
            for threads in arguments.threads:
                for batch in arguments.batch:
                    for mode in ("fwd", "train"):
                        yield measured(table, case, modules, width, (threads, batch, mode, 0.2 if quick else 1.0))


def show(row: Row) -> None:
    """Milliseconds of the baseline, then each candidate's time over the baseline's and its peak in MiB."""
    place = f"{row.case:<34}{row.mode:>6}{row.threads:>4} thr{row.batch:>4} img"
    first = f"{row.baseline} {row.ms[row.baseline]:.3f} ms"
    cells = (f"{name} {row.ratio[name]:.2f} ({row.peak[name] / 2**20:.1f})" for name in row.ratio)
    print(f"{place}  {first:<24}" + "  ".join(f"{cell:<22}" for cell in cells).rstrip(), flush=True)


def verdicts(rows: Sequence[Row]) -> list[str]:
    """One line for each target, then the paper's order as it came out here."""
    by_table = {table: [row for row in rows if row.table == table] for table in TABLES}
    judges = {"seed-conv": seed_conv_verdicts, "generation": generation_verdicts, "layers": orders}
    return [line for table, judge in judges.items() if by_table[table] for line in judge(by_table[table])]


def seed_conv_verdicts(rows: Sequence[Row]) -> Iterable[str]:
    slowest = max(rows, key=lambda row: row.ratio["SparseConv2d"])
    place = f"{slowest.case}, {slowest.mode}, {slowest.threads} thr, {slowest.batch} img"
    yield verdict(
        slowest.ratio["SparseConv2d"] <= SEED_CONV_LIMIT,
        f"sparse seed conv at most {SEED_CONV_LIMIT} of a depthwise conv: {spread(rows, 'SparseConv2d')} "
        f"(slowest: {place}); as written {spread(rows, 'as written')}",
    )


def generation_verdicts(rows: Sequence[Row]) -> Iterable[str]:
    for mode in ("fwd", "train"):
        chosen = [row for row in rows if row.mode == mode]
        times = [row.ratio["GroupNL"] for row in chosen]
        peaks = [row.peak["GroupNL"] / row.peak["literal"] for row in chosen]
        large = [peak for peak, row in zip(peaks, chosen, strict=True) if not row.case.endswith("r2")]
        yield verdict(
            max(times) <= GENERATION_LIMIT and statistics.median(times) < 1,
            f"generation ({mode}) at most {GENERATION_LIMIT} of the literal form, median below 1: "
            f"{spread(chosen, 'GroupNL')}",
        )
        yield verdict(
            max(peaks) <= 1 and max(large, default=0) < 1,
            f"generation's peak memory ({mode}) not above the literal form's, below it where r > 2: "
            f"min {min(peaks):.2f}, max {max(peaks):.2f}",
        )


def verdict(met: bool, text: str) -> str:
    return f"{'met   ' if met else 'MISSED'}  {text}"


def spread(rows: Sequence[Row], name: str) -> str:
    ratios = sorted(row.ratio[name] for row in rows)
    return f"min {ratios[0]:.2f}, median {statistics.median(ratios):.2f}, max {ratios[-1]:.2f}"


def orders(rows: Sequence[Row]) -> Iterable[str]:
    """How often GroupNL was faster than each other method: no target, but what Table 16 claims."""
    for rival in ("standard", "Ghost", "SineFM", "depthwise", "literal"):
        for sparse in (False, True):
            chosen = [row for row in rows if row.case.endswith("sparse") is sparse]
            wins = sum(row.ratio["GroupNL"] < row.ratio[rival] for row in chosen)
            kind = "sparse GroupNL" if sparse else "GroupNL"
            quotients = [row.ratio["GroupNL"] / row.ratio[rival] for row in chosen]
            middle = statistics.median(quotients)
            yield f"order   {kind} / {rival}: median {middle:.2f}, faster in {wins} of {len(chosen)}"


def machine() -> str:
    """What was measured on."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    name = models[0] if models else platform.processor() or platform.machine()
    return f"{name}, {os.cpu_count()} cores, {platform.system()}; torch {torch.__version__}"


def main() -> None:
    parser = argparse.ArgumentParser(description="Time and memory of single layers.")
    parser.add_argument("--threads", type=int, nargs="+", default=None, help="thread counts (default 1 2; quick: 1)")
    parser.add_argument("--batch", type=int, nargs="+", default=None, help="batch sizes (default 1 32; quick: 1)")
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=TABLES, help="which tables (default: all)")
    parser.add_argument("--quick", action="store_true", help="few shapes and rounds, under a minute")
    parser.add_argument("--json", action="store_true", help="print all numbers as JSON instead of tables")
    arguments = parser.parse_args()
    arguments.threads = arguments.threads or ([1] if arguments.quick else [1, 2])
    arguments.batch = arguments.batch or ([1] if arguments.quick else [1, 32])
    if not arguments.json:
        print(
            f"{machine()}\ntime over the baseline's, and peak MiB in brackets; shapes are channels,kernel,stride,size"
        )
    rows: list[Row] = []
    for row in table_rows(arguments):
        if not arguments.json:
            if not rows or rows[-1].table != row.table:
                print(f"\n== {row.table}")
            show(row)
        rows.append(row)
    if arguments.json:
        print(json.dumps({"machine": machine(), "rows": [asdict(row) for row in rows], "verdicts": verdicts(rows)}))
    else:
        print("", *verdicts(rows), sep="\n")


if __name__ == "__main__":
    main()
