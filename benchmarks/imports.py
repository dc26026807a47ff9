"""What `groupnl models import` costs: seconds and memory, beside a plain torch.load and torch.save of the same file.

    .venv/bin/python benchmarks/imports.py

Files of a ResNet-50 (25.6 million parameters, 102 MB): its state dict as PyTorch writes it today and before 1.6, as
safetensors, and a training checkpoint with AdamW's state (307 MB). Each command is a process of its own; the best of
ROUNDS, and the largest resident set that the kernel saw of it. A machine with nothing else to do, or seconds are noise.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import safetensors.torch
import torch

from groupnl_deploy.models.registry import create_model, model_spec

ROUNDS = 3
GROUPNL = Path(sys.executable).with_name("groupnl")
MODEL = "resnet50"
PLAIN = "import sys, torch; torch.save(torch.load(sys.argv[1], map_location='cpu', weights_only=True), sys.argv[2])"
PLAIN_SAFE = (
    "import sys, torch, safetensors.torch as s; "
    "s.save_file({k: v.clone() for k, v in s.load_file(sys.argv[1]).items()}, sys.argv[2])"
)


def write_files(folder: Path) -> dict[str, Path]:
    """One network in every form."""
    model = create_model(model_spec(MODEL))
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d) and module.running_var is not None:
            module.running_var.uniform_(0.5, 1.5)
    state = model.state_dict()
    files = {name: folder / name for name in ("weights.pth", "old.pth", "weights.safetensors", "training.pth")}
    torch.save(state, files["weights.pth"])
    torch.save(state, files["old.pth"], _use_new_zipfile_serialization=False)
    safetensors.torch.save_file(state, files["weights.safetensors"])
    optimizer = torch.optim.AdamW(model.parameters())
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    torch.save({"state_dict": state, "optimizer": optimizer.state_dict(), "epoch": 9}, files["training.pth"])
    return files


def cost(command: list[str], made: Path) -> tuple[float, float]:
    """(seconds, MB at the most) of a process; what it wrote is removed."""
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    subprocess.run(["rm", "-rf", made], check=True)
    return seconds, megabytes(usage)


def megabytes(usage: resource.struct_rusage) -> float:
    """The largest resident set; Linux counts it in KiB."""
    return usage.ru_maxrss * 1024 / 1e6


def best(command: list[str], made: Path) -> tuple[float, float]:
    """The fastest round, and its memory."""
    return min(cost(command, made) for _ in range(ROUNDS))


def main() -> None:
    """Measure and print a line for each file."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print(f"{'file':22} {'MB':>5} {'import':>16} {'load and save':>16} {'ratio':>14}")
        for label, path in write_files(folder).items():
            out = folder / "out"
            ours = best([str(GROUPNL), "models", "import", str(path), "--model", MODEL, "--out", str(out)], out)
            plain = PLAIN_SAFE if path.suffix == ".safetensors" else PLAIN
            theirs = best([sys.executable, "-c", plain, str(path), str(out)], out)
            words = [f"{seconds:6.2f} s {size:4.0f} MB" for seconds, size in (ours, theirs)]
            ratio = f"{ours[0] / theirs[0]:5.2f} {ours[1] / theirs[1]:5.2f}"
            print(f"{label:22} {path.stat().st_size / 1e6:5.0f} {words[0]:>16} {words[1]:>16} {ratio:>14}")


if __name__ == "__main__":
    main()
