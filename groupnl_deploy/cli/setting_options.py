"""The options of `Settings`: one for each field, with the field's default."""

from typing import Annotated

import typer

from device_agent.settings import Settings
from groupnl_deploy.errors import option_name

_HELP = {
    "threads": "Threads on the device; 0 means every core.",
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

BenchSettings = Annotated[
    Settings,
    {
        name: typer.Option(f"--{name}/--no-{name}" if name in _SWITCHES else option_name(name), help=text)
        for name, text in _HELP.items()
    },
]
"""A parameter of a command that `with_option_groups` spreads."""
