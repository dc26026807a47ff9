"""Count the instructions of the plain kernels for each number that they give, on an emulated 64-bit Arm.

    python native/count_instructions.py        needs ziglang and qemu-user (apt-get install qemu-user)

The emulator writes a line for each instruction that it executes. Of two runs of a layer and one, the difference is the
layer's alone. A Cortex-A72 is no such emulator: how long an instruction takes is not in these numbers. Standard library
only.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from check_programs import OF_COUNTS, ON_ARM, programs_for
from checks import arm_emulator

from compilers import find_compiler
from targets import NotBuilt

_WINDOWS = ((3, 1), (3, 2), (5, 1), (5, 2))
_KINDS = ("depthwise", "groupnl", "normalised")


def instructions(emulator: Path, command: list[str], runs: int) -> tuple[int, int]:
    """How many instructions a program executed that was told to run a layer so often, and what it printed."""
    with tempfile.NamedTemporaryFile(prefix="groupnl-instructions-") as log:
        told = [str(emulator), one_at_a_time(emulator), "-d", "exec,nochain", "-D", log.name, *command, str(runs)]
        done = subprocess.run(told, capture_output=True, text=True, check=True)
        return sum(line.startswith(b"Trace") for line in log), int(done.stdout)


def one_at_a_time(emulator: Path) -> str:
    """The option that makes a block of each instruction, which QEMU 8.1 named anew."""
    helps = subprocess.run([str(emulator), "-help"], capture_output=True, text=True, check=False).stdout
    return "-one-insn-per-tb" if "one-insn-per-tb" in helps else "-singlestep"


def main() -> None:
    """A row for each window: instructions for each number of a layer's output."""
    try:
        (emulator,) = map(Path, arm_emulator())
        counter = programs_for(ON_ARM, find_compiler("zig"), ["neon", "portable"], OF_COUNTS).counter
    except NotBuilt as error:
        sys.exit(f"{error.message}\n{error.remedy}")
    print("instructions for each output, NEON:  " + "  ".join(f"{kind:>10}" for kind in _KINDS))
    for kernel, stride in _WINDOWS:
        row = []
        for kind in _KINDS:
            command = [str(counter), "neon", str(kernel), str(stride), kind]
            once, outputs = instructions(emulator, command, 1)
            twice, _ = instructions(emulator, command, 2)
            row.append(f"{(twice - once) / outputs:10.2f}")
        print(f"{kernel}x{kernel}, stride {stride}:".ljust(37) + "  ".join(row), flush=True)


if __name__ == "__main__":
    main()
