"""Wheels of our own making: real ones to pip, with a few lines of Python in them."""

import base64
import hashlib
import importlib.metadata
import zipfile
from collections.abc import Sequence
from pathlib import Path

from groupnl_deploy.deploy.wheels import Wheel


def make_wheel(
    folder: Path, name: str, version: str, *, code: str = "", requires: Sequence[str] = (), tag: str = "py3-none-any"
) -> Wheel:
    """A wheel in `folder` whose one module has this code and its version."""
    about = f"{name}-{version}.dist-info"
    metadata = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}", *(f"Requires-Dist: {r}" for r in requires)]
    files = {
        f"{name}.py": f"__version__ = {version!r}\n{code}\n",
        f"{about}/METADATA": "\n".join(metadata) + "\n",
        f"{about}/WHEEL": f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    record = [f"{path},sha256={_urlsafe(text)},{len(text.encode())}" for path, text in files.items()]
    files[f"{about}/RECORD"] = "\n".join([*record, f"{about}/RECORD,,"]) + "\n"
    path = folder / f"{name}-{version}-{tag}.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for inner, text in files.items():
            archive.writestr(inner, text)
    return Wheel(path.name, hashlib.sha256(path.read_bytes()).hexdigest())


def _urlsafe(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


def installed_pip(folder: Path) -> Wheel:
    """The pip of this Python as the wheel that it came from."""
    distribution = importlib.metadata.distribution("pip")
    path = folder / f"pip-{distribution.version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for file in distribution.files or ():
            if ".." not in file.parts and file.suffix != ".pyc":
                archive.write(str(file.locate()), str(file))
    return Wheel(path.name, hashlib.sha256(path.read_bytes()).hexdigest())
