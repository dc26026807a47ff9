"""All 95 variants keep their bits, as long as numpy, scipy, Pillow and OpenCV do.

`python tests/robustness/test_digests.py` writes the file anew, after a change that is meant to change them.
"""

import json
import platform
from pathlib import Path

import numpy as np
import pytest

from groupnl_deploy.robustness.corruptions import OPERATORS, corrupted
from groupnl_deploy.robustness.values import Pixels
from groupnl_deploy.robustness.versions import versions
from groupnl_deploy.workspace import sha256_hex

FILE = Path(__file__).parents[1] / "data" / "corruption_digests.json"
# Sums, products and uniform draws alone, which no version of a library is free to round otherwise.
ALWAYS = ("impulse_noise", "brightness", "saturate")


def drawn() -> Pixels:
    """uint8 (2, 32, 32, 3), by whole numbers alone: waves of three lengths, and a grey corner."""
    row, column, channel = np.ogrid[:32, :32, :3]
    waves = [(row * (5 + turn) + column * 3 + row * column // (7 + channel) + 40 * channel) % 256 for turn in (0, 4)]
    images = np.stack(waves).astype(np.uint8)
    images[:, :8, :8] = images[:, :8, :8, :1]
    return images


def digests(name: str) -> list[str]:
    images = drawn()
    return [sha256_hex(corrupted(images, name, severity, [0, 1]).tobytes())[:16] for severity in range(1, 6)]


def environment() -> dict[str, str]:
    return {name: version for name, version in versions().items() if name != "groupnl"} | {
        "machine": platform.machine()
    }


@pytest.mark.parametrize("name", sorted(OPERATORS))
def test_bits_are_what_they_were(name):
    kept = json.loads(FILE.read_text())
    if name not in ALWAYS and kept["environment"] != environment():
        pytest.skip(f"the digests were written with {kept['environment']}")
    assert digests(name) == kept["digests"][name]


if __name__ == "__main__":
    kept = {"environment": environment(), "digests": {name: digests(name) for name in sorted(OPERATORS)}}
    FILE.write_text(json.dumps(kept, indent=1) + "\n")
