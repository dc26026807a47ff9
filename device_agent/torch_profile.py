"""PyTorch's profile: some inferences under its profiler → a time for each operator that each module called."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import nn
from torch.autograd.profiler_util import FunctionEvent
from torch.profiler import ProfilerActivity, profile, record_function

from device_agent.messages.profile import OperatorTime, Profiled
from device_agent.profiling import timed_runs, warmed_up

_MODULE = "groupnl:"  # before a module's name, in the profiler's events


def profile_module(model: nn.Module, run: Callable[[Any], Any], prepared: Sequence[Any]) -> Profiled:
    """Profile `run`, which calls `model`. Its modules are watched meanwhile, and left as they were."""
    warmed_up(run, prepared)
    with _marked(model):
        with profile(activities=[ProfilerActivity.CPU]) as once:
            run(prepared[0])
        with profile(activities=[ProfilerActivity.CPU]) as profiler:
            latencies_ns = timed_runs(run, prepared, len(once.events()))
    return Profiled(latencies_ns, operator_times(profiler.events()))


def operator_times(events: Sequence[FunctionEvent]) -> tuple[OperatorTime, ...]:
    """Each operator that a module calls itself, with all that it calls in turn."""
    times: dict[tuple[str, str], tuple[int, float]] = {}
    for event in events:
        around = event.cpu_parent
        if _is_module(event) or not (around is None or _is_module(around)):
            continue
        key = ("" if around is None else around.name.removeprefix(_MODULE), event.name)
        count, total_us = times.get(key, (0, 0.0))
        times[key] = (count + 1, total_us + event.cpu_time_total)
    return tuple(
        OperatorTime(f"{module}/{kind}", kind, count, round(1000 * total_us), (module,) if module else ())
        for (module, kind), (count, total_us) in times.items()
    )


def _is_module(event: FunctionEvent) -> bool:
    return str(event.name).startswith(_MODULE)


@contextmanager
def _marked(model: nn.Module) -> Iterator[None]:
    """Each call of a module has an event around it, with its name."""
    open_ones: list[record_function] = []

    def begin(name: str) -> Callable[..., None]:
        def hook(*_: Any) -> None:
            around = record_function(_MODULE + name)
            around.__enter__()  # type: ignore[no-untyped-call]
            open_ones.append(around)

        return hook

    def end(*_: Any) -> None:
        open_ones.pop().__exit__(None, None, None)

    with ExitStack() as hooks:
        for name, module in model.named_modules():
            if name:
                hooks.callback(module.register_forward_pre_hook(begin(name)).remove)
                hooks.callback(module.register_forward_hook(end).remove)
        yield
