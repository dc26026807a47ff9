"""What `groupnl models import` costs: seconds and memory, beside a plain torch.load and torch.save of the same file.

    .venv/bin/python benchmarks/imports.py

Files of a ResNet-50 (25.6 million parameters, 102 MB): its state dict as PyTorch writes it today and before 1.6, as
safetensors, and a training checkpoint with AdamW's state (307 MB). Each command is a process of its own; of ROUNDS the
one that took least processor time, and the largest resident set that the kernel saw of it. Seconds by the clock
mean something where nothing else runs; ratios are of processor time and memory. This process stays small, because Linux
counts the memory of who starts a program as that program's.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROUNDS = 3
GROUPNL = Path(sys.executable).with_name("groupnl")
MODEL = "resnet50"
PLAIN = "import sys, torch; torch.save(torch.load(sys.argv[1], map_location='cpu', weights_only=True), sys.argv[2])"
PLAIN_SAFE = (
    "import sys, torch, safetensors.torch as s; "
    "s.save_file({k: v.clone() for k, v in s.load_file(sys.argv[1]).items()}, sys.argv[2])"
)


def write_files(folder: Path) -> None:
    """One network in every form."""
    import safetensors.torch
    import torch

    from groupnl_deploy.models.registry import create_model, model_spec

    model = create_model(model_spec(MODEL))
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d) and module.running_var is not None:
            module.running_var.uniform_(0.5, 1.5)
    state = model.state_dict()
    torch.save(state, folder / "weights.pth")
    torch.save(state, folder / "old.pth", _use_new_zipfile_serialization=False)
    safetensors.torch.save_file(state, folder / "weights.safetensors")
    optimizer = torch.optim.AdamW(model.parameters())
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    torch.save({"state_dict": state, "optimizer": optimizer.state_dict(), "epoch": 9}, folder / "training.pth")


@dataclass(frozen=True, order=True)
class Cost:
    """Of a process: seconds of processor time and by the clock, MB at the most."""

    busy_s: float
    clock_s: float
    megabytes: float

    def __str__(self) -> str:
        return f"{self.clock_s:5.2f} s {self.busy_s:5.2f} s {self.megabytes:4.0f} MB"


def cost(command: list[str], made: Path) -> Cost:
    """Of one process; what it wrote is removed."""
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    subprocess.run(["rm", "-rf", made], check=True)
    return Cost(usage.ru_utime + usage.ru_stime, seconds, megabytes(usage))


def megabytes(usage: resource.struct_rusage) -> float:
    """The largest resident set; Linux counts it in KiB."""
    return usage.ru_maxrss * 1024 / 1e6


def best(command: list[str], made: Path) -> Cost:
    """The round that took least."""
    return min(cost(command, made) for _ in range(ROUNDS))


def main() -> None:
    """Measure and print a line for each file."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        headings = [f"{what:>25}" for what in ("import: clock, busy, MB", "load and save")]
        print(f"{'file':20} {'MB':>4} {' '.join(headings)}   ratios")
        subprocess.run([sys.executable, __file__, str(folder)], check=True)
        for path in sorted(folder.iterdir()):
            out = folder / "out"
            ours = best([str(GROUPNL), "models", "import", str(path), "--model", MODEL, "--out", str(out)], out)
            plain = PLAIN_SAFE if path.suffix == ".safetensors" else PLAIN
            theirs = best([sys.executable, "-c", plain, str(path), str(out)], out)
            ratios = f"{ours.busy_s / theirs.busy_s:4.2f} {ours.megabytes / theirs.megabytes:4.2f}"
            print(f"{path.name:20} {path.stat().st_size / 1e6:4.0f} {ours!s:>25} {theirs!s:>25}   {ratios}", flush=True)


if __name__ == "__main__":
    if sys.argv[1:]:
        write_files(Path(sys.argv[1]))
    else:
        main()
