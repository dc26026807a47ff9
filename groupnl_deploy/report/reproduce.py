"""The commands that make a run again. Pure."""

from dataclasses import MISSING, fields
from typing import Any

from device_agent.backend_table import BACKENDS
from device_agent.settings import Settings, Workload
from groupnl_deploy.bench.run import BenchRun
from groupnl_deploy.errors import option_name
from groupnl_deploy.words import EMULATOR_PORT, command_line
from power.trace import PowerTrace

_DIGITS = 12  # of an artifact's id; a device knows it by six or more


def bench_command(run: BenchRun, trace: PowerTrace | None) -> str:
    """The command that measures the same artifact in the same way, on a device that has it.

    What is as it is by default is left out. The meter's port is left to be found, unless it is the emulator.
    """
    words: list[object] = [
        "bench",
        run.artifact_sha256[:_DIGITS],
        "--device",
        run.device,
        "--backend",
        run.result.backend,
    ]
    asked = run.request.settings
    entry = BACKENDS.get(run.result.backend)
    read = set() if entry is None else set(entry.settings)
    words += ["--threads", run.result.settings.threads]
    for name, value in _changed(asked, Settings, {"threads", "workload"}):
        if name in read:
            words += [option_name(name)] if value is False else [option_name(name), value]
    for name, value in _changed(asked.workload, Workload, set()):
        words += [option_name(name), value]
    words += ["--profile"] if run.request.profile else []
    if trace is not None:
        words += ["--meter", trace.facts.meter, *(["--port", EMULATOR_PORT] if trace.facts.emulated else [])]
        words += [] if trace.facts.sign == 1 else ["--sign", trace.facts.sign]
    return command_line(*words)


def _changed(settings: Any, kind: type, without: set[str]) -> list[tuple[str, Any]]:
    """The fields of a dataclass that are not as they are by default."""
    asked = ((field, getattr(settings, field.name)) for field in fields(kind) if field.name not in without)
    return [(field.name, value) for field, value in asked if field.default is MISSING or value != field.default]
