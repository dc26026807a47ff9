"""A sweep on this machine, with the real agent and the real ONNX Runtime."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from device_agent.settings import Settings, Workload
from groupnl_deploy.bench.bench_device import bench_device
from groupnl_deploy.bench.run import load_run
from groupnl_deploy.energy_sweep.carry_out import carry_out
from groupnl_deploy.energy_sweep.key import key_of_device, key_of_run
from groupnl_deploy.energy_sweep.layers import shapes_of
from groupnl_deploy.energy_sweep.plan import BACKEND, SweepPlan
from groupnl_deploy.progress import Silence

FOUR = "64x14x14x3,96x14x14x3,128x14x14x3,128x7x7x3"
WORK = Workload(idle_s=0.1, warmup_s=0.1, min_seconds=0.2)


def test_single_layers_are_pushed_measured_and_kept(tmp_path: Path) -> None:
    key = key_of_device("local", 1, 2, Silence(), 0.0)
    plan = SweepPlan("local", key, shapes_of("4x4x4x3"), Settings(1, workload=WORK), 1, None, False)
    out = tmp_path / "sweep"

    def bench(artifact: str, backend: str, folder: Path) -> None:
        bench_device(
            "local",
            backend,
            artifact=artifact,
            settings=plan.settings,
            plan=None,
            out=folder,
            reporter=Silence(),
        )

    done = carry_out(plan, out, bench, Silence())
    assert [cell.groups for cell in done.cells] == [1, 2, 4]
    for cell in done.cells:
        (one,) = cell.windows
        run, _ = load_run(out / "runs" / one.run)
        assert not one.elsewhere and key_of_run(run, 2) == key, "what the device foretold is what ran"
        assert run.result.backend == BACKEND and run.manifest.inputs[0].shape == (2, 4, 4, 4)
        assert run.agreement is not None, "its answers were held against the right ones"
        middle = sorted(run.result.latencies_ns)[(len(run.result.latencies_ns) - 1) // 2]
        assert one.cost == pytest.approx(middle / 1e9 / 20 / 2)


def block() -> int:
    """Channels of ONNX Runtime's layout in blocks on this processor."""
    flags = Path("/proc/cpuinfo").read_text().split()
    if "avx512f" not in flags and "avx2" not in flags:
        pytest.skip("the facts tell of AVX2 and AVX-512 alone")
    return 16 if "avx512f" in flags else 8


@pytest.mark.slow
@pytest.mark.alone
def test_a_sweep_in_time_finds_the_runtimes_block(tmp_path: Path) -> None:
    """Below a block ONNX Runtime leaves its fast layout, and above one it computes more: the cheapest is the block."""
    groupnl = [sys.executable, "-m", "groupnl_deploy.cli.entry", "energy-model"]
    workload = ["--threads", "1", "--seconds", "0.5", "--warmup", "0.2", "--idle", "0", "--repeats", "2"]
    command = [*groupnl, "sweep", "--device", "local", "--shapes", FOUR, *workload, "--out", "sweep"]
    done = subprocess.run(
        [*command, "--json", "--allow-invalid"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    cheapest: dict[tuple[int, int], tuple[float, int]] = {}
    for cell in json.loads(done.stdout)["cells"]:
        channels, groups = cell["in_channels"], cell["groups"]
        # Of what disturbs a window the lowest has least, whether it is called invalid or not.
        cost = min(window["cost"] for window in cell["windows"])
        if groups < channels:
            layer = (channels, cell["height"])
            cheapest[layer] = min(cheapest.get(layer, (cost, channels)), (cost, channels // groups))
    sizes = sorted(size for _, size in cheapest.values())
    assert sizes[1:3] == [block(), block()], f"the median of four layers, whatever else this machine does: {sizes}"
