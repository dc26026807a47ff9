"""The agent as one file: a `.pyz` that is the same to the byte whenever it is built from the same sources.

It holds `device_agent`, the torch-only `groupnl_deploy.models`, which its PyTorch backend builds nets from, and the
records of the native libraries that this installation has: the only ones that the agent accepts.
"""

import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import device_agent
from device_agent.messages.greeting import BOOT_MARK, REQUESTS
from device_agent.native import LIBRARIES_FILE, Libraries
from device_agent.strict import to_json
from groupnl_deploy import models
from groupnl_deploy.native.libraries import libraries
from groupnl_deploy.workspace import sha256_hex

# Zip cannot store an earlier date; a fixed one keeps the bytes equal.
_EPOCH = (1980, 1, 1, 0, 0, 0)
# Who started it by the stub (boot.py) waits for a word, and imports take a while on a slow card.
_MAIN = f"""\
import os
if "{REQUESTS}" in os.environ:
    from device_agent.oom import kills
    os.write(1, ("\\n{BOOT_MARK.decode()}starting %s\\n" % kills()).encode())
from device_agent.__main__ import main

main()
""".encode()


@dataclass(frozen=True)
class AgentBundle:
    """The bundle's bytes and their SHA-256, by which it is called on the device (`boot.py`)."""

    data: bytes
    sha256: str


def build_bundle() -> AgentBundle:
    """Zip the sources: sorted, undated, uncompressed (compressors differ between zlib builds)."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, data in sorted(_sources()):
            info = zipfile.ZipInfo(name, _EPOCH)
            info.create_system = 3  # the same on every host: Unix
            info.external_attr = 0o644 << 16
            archive.writestr(info, data)
    data = buffer.getvalue()
    return AgentBundle(data, sha256_hex(data))


def _sources() -> Iterator[tuple[str, bytes]]:
    agent, host = _folder(device_agent.__file__), _folder(models.__file__).parent
    yield "__main__.py", _MAIN
    known = sorted((file.record for file in libraries()), key=lambda record: record.sha256)
    yield f"device_agent/{LIBRARIES_FILE}", to_json(Libraries(tuple(known))).encode()
    yield "groupnl_deploy/__init__.py", (host / "__init__.py").read_bytes()
    yield from _package(agent, "device_agent")
    yield from _package(host / "models", "groupnl_deploy/models")


def _package(folder: Path, name: str) -> Iterator[tuple[str, bytes]]:
    for path in folder.rglob("*.py"):
        yield f"{name}/{path.relative_to(folder).as_posix()}", path.read_bytes()


def _folder(module_file: str | None) -> Path:
    assert module_file is not None, "a namespace package has no file"
    return Path(module_file).parent
