"""A provisioned environment on a device whose ONNX Runtime is one line of Python, to die as real ones do."""

import sys
import venv
from pathlib import Path


def runtime_that(root: Path, does: str) -> None:
    """Below the device's root; without a line it has no ONNX Runtime."""
    folder = root / "environments" / "onnxruntime-made-up"
    venv.create(folder, with_pip=False)
    folder.with_name("onnxruntime").symlink_to(folder.name)
    site = next(folder.glob("lib/python3*/site-packages"))
    if does:
        (site / "onnxruntime.py").write_text(does)
        numpy = next(Path(path) for path in sys.path if (Path(path) / "numpy").is_dir())
        (site / "numpy.pth").write_text(str(numpy))  # behind what the environment has itself


def remove_runtime(root: Path) -> None:
    """As if it had never been provisioned: the agent's own Python serves again."""
    (root / "environments" / "onnxruntime").unlink()
