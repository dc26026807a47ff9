"""A benchmark beside other programs; it is no less invalid beside the other tests, so it needs no quiet machine."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from device_agent.messages.bench import BenchRequest
from device_agent.settings import Settings, Workload
from exporters.artifact import Artifact
from groupnl_deploy.bench.foreign_load import foreign
from groupnl_deploy.remote.agent import open_agent
from groupnl_deploy.remote.local import LocalTransport
from tests.device_agent.whole_bench import linked, whole_bench

IMAGES = np.zeros((1, 3, 32, 32), dtype=np.uint8)


def _request(root: Path, artifact: Artifact) -> BenchRequest:
    return BenchRequest(
        directory=linked(root, artifact.directory),
        manifest_sha256=artifact.sha256,
        backend="null",
        settings=Settings(1, workload=Workload(idle_s=0.05, warmup_s=0.02, min_iterations=20, min_seconds=0.7)),
        images_sent=len(IMAGES),
        runout_s=0.01,
    )


@contextmanager
def busy_loops(count: int) -> Iterator[None]:
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


@pytest.mark.slow
def test_four_busy_loops_beside_a_benchmark_make_it_invalid(tmp_path: Path, untrained) -> None:
    with (
        LocalTransport(tmp_path / "board", sys.executable) as transport,
        open_agent(transport) as agent,
        busy_loops(4),
    ):
        result = whole_bench(agent, _request(Path(transport.root), untrained.onnx), IMAGES)
    check = foreign(result.span("steady"), "time")
    assert check.verdict == "invalid" and check.value > 5 * check.limit
