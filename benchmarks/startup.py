"""How long `groupnl` takes where there is nothing to compute: lists, help, and mistakes on the command line.

    python benchmarks/startup.py

Prints the shortest of five starts of each command, its processor time, and how many times as long it took as
`python -c pass`, which shows what the machine itself was busy with. What needs no PyTorch must not wait for it.
"""

import argparse
import resource
import shlex
import subprocess
import sys
import tempfile
import time

COMMANDS = (
    "--help",
    "models list",
    "models show --help",
    "train --help",
    "run --help",
    "bench --help",
    "device list",
    "models show resnet81",
    "models init resnet18_cifar --conv grupnl --out net",
    "train --model resnet81 --out net",
    "train --out",
    "export net --optimise full",
    "export net --out net-onnx",
    "push net-onnx --device nowhere",
    "bench --device local --backend onnx",
    "run nowhere.toml",
)


def seconds(command: list[str], folder: str, runs: int) -> tuple[float, float]:
    """The shortest of several, on the clock and of the processor."""
    taken = []
    for _ in range(runs):
        begin, before = time.perf_counter(), _processor()
        subprocess.run(command, cwd=folder, capture_output=True, check=False)
        taken.append((time.perf_counter() - begin, _processor() - before))
    return min(wall for wall, _ in taken), min(cpu for _, cpu in taken)


def _processor() -> float:
    """Seconds that ended children have had."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as folder:
        python, cpu = seconds([sys.executable, "-c", "pass"], folder, runs)
        print(f"{python:6.2f} s  {cpu:5.2f} s cpu        python -c pass")
        for words in COMMANDS:
            taken, cpu = seconds([sys.executable, "-m", "groupnl_deploy.cli.entry", *shlex.split(words)], folder, runs)
            print(f"{taken:6.2f} s  {cpu:5.2f} s cpu  {taken / python:4.0f}x  groupnl {words}")


if __name__ == "__main__":
    main()
