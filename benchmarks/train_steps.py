"""Single training steps for benchmarks/train.py: several networks in turns in one process, and one alone for memory.

A step is what a training does with a batch that is there: forward, cross-entropy, backward, SGD with momentum.
"""

import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Literal

import psutil
import torch
from torch import nn
from torch.amp.grad_scaler import GradScaler
from torch.nn import functional

from groupnl_deploy.models.registry import create_model, model_spec
from groupnl_deploy.models.spec import ModelSpec
from groupnl_deploy.training.method import optimiser_of
from groupnl_deploy.training.recipe import Recipe

Clock = Literal["wall", "cpu"]
RECIPE = Recipe(lr=0.01, momentum=0.9, clip_norm=None)
STEPS_FOR_MEMORY = 3


@dataclass(frozen=True)
class Contestant:
    """A network with one convolution, and the batch that it is trained on. `changes` are fields of its spec."""

    network: str
    method: str | None
    semantics: str
    batch: int
    side: int
    device: str = "cpu"
    half: bool = False
    compiled: bool = False
    channels_last: bool = False
    changes: dict[str, float] = field(default_factory=dict)

    @property
    def spec(self) -> ModelSpec:
        shape = (3, self.side, self.side)
        return model_spec(self.network, self.method, self.semantics, input_shape=shape, **self.changes)

    def __str__(self) -> str:
        method = self.method or self.spec.conv.method
        return f"{method} ({self.semantics})" if method.startswith("groupnl") else method


def step_of(one: Contestant) -> Callable[[], None]:
    """A function that makes one step. Random images: what they show makes no step longer or shorter."""
    torch.manual_seed(0)
    spec, device = one.spec, torch.device(one.device)
    layout = torch.channels_last if one.channels_last else torch.contiguous_format
    net = create_model(spec).to(device).train()
    net.to(memory_format=layout)  # type: ignore[call-overload]  # which torch documents
    optimiser = optimiser_of(RECIPE, {name: p for name, p in net.named_parameters() if p.requires_grad})
    images = torch.randn(one.batch, *spec.input_shape, device=device).contiguous(memory_format=layout)
    labels = torch.randint(spec.num_classes, (one.batch,), device=device)
    run: nn.Module | Callable[..., torch.Tensor] = _compiled(net, one.device) if one.compiled else net
    kind = torch.float16 if one.device == "cuda" else torch.bfloat16  # a CPU is slow with the former
    scaler = GradScaler(device.type, enabled=one.half and kind is torch.float16)

    def step() -> None:
        with torch.autocast(device.type, kind) if one.half else nullcontext():
            loss = functional.cross_entropy(run(images), labels)
        torch.autograd.backward(scaler.scale(loss))
        optimiser.step(RECIPE.lr, scaler)

    return step


def _compiled(net: nn.Module, device: str) -> Callable[..., torch.Tensor]:
    """On the CPU by a backend that writes no code: there the way alone is tried, and Inductor takes minutes."""
    return torch.compile(net, backend="inductor" if device == "cuda" else "aot_eager")


def seconds(step: Callable[[], None], clock: Clock, device: str) -> float:
    """How long one step takes; on a GPU until it has finished."""
    now = time.process_time if clock == "cpu" else time.perf_counter
    begun = now()
    step()
    if device == "cuda":
        torch.cuda.synchronize()
    return now() - begun


def in_turns(contestants: Sequence[Contestant], rounds: int, clock: Clock, warm: int = 2) -> list[list[float]]:
    """Seconds of each contestant in every round; each round makes one step of each, and the order rotates."""
    return taking_turns([step_of(one) for one in contestants], contestants[0].device, rounds, clock, warm)


def taking_turns(
    steps: Sequence[Callable[[], None]], device: str, rounds: int, clock: Clock, warm: int = 2
) -> list[list[float]]:
    """The same of steps that are there."""
    for step in steps:
        for _ in range(warm):
            seconds(step, clock, device)
    taken: list[list[float]] = [[] for _ in steps]
    for turn in range(rounds):
        for place in range(len(steps)):
            index = (place + turn) % len(steps)
            taken[index].append(seconds(steps[index], clock, device))
    return taken


@dataclass(frozen=True)
class Ratio:
    """The median over rounds of a contestant's time over the first one's in the same round, and its quartiles."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, taken: Sequence[float], base: Sequence[float]) -> "Ratio":
        ratios = [one / other for one, other in zip(taken, base, strict=True)]
        low, _, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else (ratios[0],) * 3
        return cls(statistics.median(ratios), low, high)

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.low:.2f}-{self.high:.2f})"


def peak_bytes(one: Contestant, threads: int = 1) -> int:
    """What steps hold at the most beyond the network and its batch, in a process of its own."""
    words = json.dumps(asdict(one)), str(threads)
    done = subprocess.run([sys.executable, __file__, *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{one}: {done.stderr.strip().splitlines()[-1]}")
    return int(done.stdout)


def _own_peak(one: Contestant) -> int:
    step = step_of(one)
    before = psutil.Process().memory_info().rss
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # Linux: the peak is counted from here on
    for _ in range(STEPS_FOR_MEMORY):
        step()
    return _peak_rss() - before


def card_peak(step: Callable[[], None]) -> int:
    """What first steps hold at the most on a card; in this process, since its memory is counted to the byte."""
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    for _ in range(STEPS_FOR_MEMORY):
        step()
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated() - before


def kernel_seconds(step: Callable[[], None]) -> float:
    """How long a card computes in one step, without the time in which it waits for the processor."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        step()
        torch.cuda.synchronize()
    cuda = torch.autograd.DeviceType.CUDA
    kernels = (one for one in profile.key_averages() if one.device_type == cuda and not one.is_user_annotation)
    return sum(one.self_device_time_total for one in kernels) / 1e6


def _peak_rss() -> int:
    with suppress(OSError, StopIteration):
        lines = Path("/proc/self/status").read_text().splitlines()
        return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def sized(one: Contestant, **changes: object) -> Contestant:
    """The same with other fields."""
    return replace(one, **changes)  # type: ignore[arg-type]


if __name__ == "__main__":
    torch.set_num_threads(int(sys.argv[2]))
    print(_own_peak(Contestant(**json.loads(sys.argv[1]))))
