"""The options of `Settings`: one for each field, with the field's default; but threads, of which a line has several."""

from collections.abc import Collection
from dataclasses import replace
from typing import Annotated

import typer

from device_agent.settings import Settings
from groupnl_deploy.errors import UsageError, option_name

_HELP = {
    "spinning": "Whether waiting threads of onnxruntime keep their cores busy: faster, and more power.",
    "arena": "Whether onnxruntime keeps freed memory for the next tensor and plans it ahead.",
    "graph_level": "What onnxruntime optimises when it loads the graph: none, basic, extended or all.",
    "images": "Test images sent along; 0 means all there are.",
    "idle_s": "Seconds of idle before and after.",
    "warmup_s": "Seconds of inference before the steady window.",
    "cool_to_c": "Before that, wait until the device has cooled down to so many degrees Celsius, such as 50.",
    "cool_within_s": "Seconds that are waited for it at most; a run that began warmer is invalid.",
    "min_iterations": "At least this many inferences in the steady window.",
    "min_seconds": "And at least this many seconds.",
}
_SWITCHES = ("spinning", "arena")
_OTHER_NAMES = {"min_seconds": ("--seconds",)}

BenchSettings = Annotated[
    Settings,
    {
        "threads": None,
        **{
            name: typer.Option(
                *[f"--{name}/--no-{name}"] if name in _SWITCHES else [option_name(name), *_OTHER_NAMES.get(name, ())],
                help=text,
            )
            for name, text in _HELP.items()
        },
    },
]
"""A parameter of a command that `with_option_groups` spreads."""

_WORKLOAD_ALONE = dict.fromkeys(("spinning", "arena", "graph_level", "images"))
SweepSettings = Annotated[Settings, {**BenchSettings.__metadata__[0], **_WORKLOAD_ALONE}]
"""Likewise, of a command whose results hold for the runtime as it is set up by itself."""

Threads = Annotated[
    str,
    typer.Option(
        "--threads",
        metavar="N[,N…]",
        help="Threads on the device, 0 for every core; several, such as 1,2,4, are a benchmark each.",
    ),
]
Quick = Annotated[bool, typer.Option("--quick", help="A window of 10 s and 5 s of idle: to try, not to publish.")]
Paper = Annotated[
    bool,
    typer.Option("--paper", help="100 images, as in the paper's section 4.3.2; its way to count energy is shown too."),
]


def threads_of(text: str) -> tuple[int, ...]:
    """The numbers behind --threads. Raises `UsageError` for what are none, and for one that stands there twice."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdecimal() for part in parts):
        raise UsageError(
            f"--threads is “{text}”, which are no numbers of threads.",
            "Write --threads 4, or several: --threads 1,2,4.",
        )
    numbers = tuple(map(int, parts))
    twice = next((number for number in numbers if numbers.count(number) > 1), None)
    if twice is not None:
        raise UsageError(f"--threads has {twice} twice.", "Name it once; --repeats measures it again.")
    return numbers


def asked_settings(settings: Settings, threads: str) -> tuple[Settings, ...]:
    """One for each number of threads. Raises `UsageError` or `SettingError`."""
    return tuple(replace(settings, threads=number) for number in threads_of(threads))


def with_workload(settings: Settings, *, quick: bool, paper: bool, metered: bool, given: Collection[str]) -> Settings:
    """With the workload that --quick or --paper stands for, beside the fields that are `given` on the line.

    Raises `UsageError` where two of them say different things.
    """
    if quick and paper:
        raise UsageError("--quick and --paper are two workloads.", "Leave one of them out.")
    from groupnl_deploy.bench import workloads

    work = settings.workload
    if quick:
        changed = workloads.quick(work)
        kept = {name: getattr(work, name) for name in ("min_seconds", "idle_s") if name in given}
        return replace(settings, workload=replace(changed, **kept))
    if paper:
        said = next((name for name in ("images", "min_iterations", "min_seconds") if name in given), None)
        if said is not None:
            raise UsageError(
                f"--paper is 100 images, and {option_name(said)} says otherwise.", f"Leave {option_name(said)} out."
            )
        return replace(settings, workload=workloads.as_in_paper(work, metered))
    return settings
