"""A benchmark by a real agent, from the request to the whole result."""

import secrets
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from device_agent.messages.bench import BenchRequest
from device_agent.messages.spool import ForgetBench
from groupnl_deploy.bench.result import BenchMessage, BenchResult, assemble, gather
from groupnl_deploy.remote.client import AgentClient


def linked(root: Path, directory: Path) -> str:
    """An artifact's folder, wherever it lies on this machine, as a path below a device's root."""
    link = root / "linked"
    root.mkdir(parents=True, exist_ok=True)
    if not link.exists():
        link.symlink_to("/")
    return f"{link.name}{directory.absolute()}"


def whole_bench(
    agent: AgentClient,
    request: BenchRequest,
    images: npt.NDArray[np.uint8],
    watch: Callable[[BenchMessage], object] = lambda message: None,
) -> BenchResult:
    """Every message goes to `watch` as it arrives; then the agent has its receipt."""
    request, messages = replace(request, bench_id=secrets.token_hex(6)), []
    for message in agent.bench(request, images):
        messages.append(message)
        watch(message)
    agent.ask(ForgetBench(request.bench_id))
    return assemble(request, gather(messages))
