"""Certify a version for the Raspberry Pi 4 in the emulated one, and print its lines for `certified.toml`.

    python -m tests.pi.certify onnxruntime --python 3.11
    python -m tests.pi.certify pytorch --python 3.13 --version 2.9.1

It does what a user does, by the same code: provision a blank board from a wheelhouse, push networks, have the board try
their golden pairs in a child. So each package was imported on a Cortex-A72, and each network's answers are those of
double precision, within the gate of a push. A version that dies gets a finding's lines.
"""

import argparse
import sys
import tempfile
from datetime import date
from pathlib import Path

from device_agent.backend_table import BACKENDS
from device_agent.manifest import Format
from device_agent.messages.accept import Accept
from exporters.artifact import Artifact, open_artifact
from groupnl_deploy.deploy.provision import Wish, provision
from groupnl_deploy.deploy.push import push_artifact
from groupnl_deploy.deploy.resolve import resolve
from groupnl_deploy.deploy.wheelhouse import make_wheelhouse
from groupnl_deploy.deploy.wheels import MAIN_PACKAGES, TARGETS, WheelSet
from groupnl_deploy.errors import GroupNLError
from groupnl_deploy.export import export_checkpoint
from groupnl_deploy.models.spec import ConvSpec, ModelSpec
from groupnl_deploy.progress import Silence
from groupnl_deploy.remote.agent import open_agent
from groupnl_deploy.remote.connect import connect
from groupnl_deploy.remote.transport import Transport
from groupnl_deploy.training.checkpoint import initialise_checkpoint, save_checkpoint
from tests.pi.machine import booted
from tests.pi.rootfs import SUITES, make

TARGET = "rpi4"
HOW = "Cortex-A72 of QEMU 7.2: imports, and the answers of {networks} within the gate of a push"
# Sines and groups in the one, depthwise convolutions, HardSwish and squeeze-excite in the other.
NETWORKS = (
    ModelSpec("resnet18_cifar", ConvSpec.preset("groupnl"), width=0.25),
    ModelSpec("mobilenetv3_large_100", ConvSpec.preset("groupnl"), width=0.25, input_shape=(3, 64, 64)),
)


def main() -> None:
    """Print the lines, or why there are none."""
    parser = argparse.ArgumentParser(description="Certify a version for the Raspberry Pi 4 in the emulated one.")
    parser.add_argument("backend", choices=sorted(MAIN_PACKAGES))
    parser.add_argument("--python", choices=sorted(SUITES), default="3.11")
    parser.add_argument("--version")
    given = parser.parse_args()
    root = make(given.python)
    wheels = resolve(TARGETS[TARGET], given.backend, given.python, given.version, Silence())
    with tempfile.TemporaryDirectory(prefix="certify-") as folder:
        wheelhouse = make_wheelhouse(wheels, Path(folder) / "wheels", Silence())
        artifacts = [_export(Path(folder), spec, BACKENDS[given.backend].formats[0]) for spec in NETWORKS]
        (Path(folder) / "pi").mkdir()
        with booted(root, Path(folder) / "pi") as pi, connect(pi.device()) as transport:
            wish = Wish(given.backend, uncertified=True, offline=wheelhouse.folder)
            try:
                provision(transport, wish, Silence(), 0)
                refused = next(filter(None, (_refusal(transport, artifact) for artifact in artifacts)), None)
            except GroupNLError as error:
                refused = error.message
    lines = _finding(wheels, refused) if refused else _set(wheelhouse.set)
    sys.stdout.write(f"{lines}\n")
    sys.exit(bool(refused))


def _export(folder: Path, spec: ModelSpec, format: Format) -> Artifact:
    checkpoint = folder / spec.name
    save_checkpoint(checkpoint, *initialise_checkpoint(spec))
    export_checkpoint(checkpoint, folder / f"{spec.name}-artifact", format)
    return open_artifact(folder / f"{spec.name}-artifact")


def _refusal(transport: Transport, artifact: Artifact) -> str | None:
    """Why the board does not accept an artifact; None where it does."""
    deployment = push_artifact(transport, artifact)
    with open_agent(transport) as agent:
        agent.take_lock("a certification", 0, lambda other: None)
        found = agent.ask(Accept(deployment.artifact_sha256))
    return None if found.verdict == "accepted" else f"{artifact.manifest.label}: {found.message}"


def _set(wheels: WheelSet) -> str:
    networks = " and ".join(spec.name for spec in NETWORKS)
    evidence = f"{date.today().isoformat()}, {HOW.format(networks=networks)}"
    fields = {"target": wheels.target, "backend": wheels.backend, "python": wheels.python}
    return "\n".join(
        [
            "[[sets]]",
            f'evidence = "{evidence}"',
            "",
            "[sets.set]",
            *(f'{name} = "{value}"' for name, value in fields.items()),
            f"unpacked_bytes = {wheels.unpacked_bytes}",
            "wheels = [",
            *(f'    {{ file = "{wheel.file}", sha256 = "{wheel.sha256}" }},' for wheel in wheels.wheels),
            "]",
        ]
    )


def _finding(wheels: WheelSet, refused: str) -> str:
    fields = {
        "target": wheels.target,
        "package": wheels.main.package,
        "versions": f"=={wheels.main.version}",
        "state": "dies",
        "evidence": f"{date.today().isoformat()}, Cortex-A72 of QEMU 7.2: {refused}",
    }
    return "\n".join(["[[findings]]", *(f'{name} = "{value}"' for name, value in fields.items())])


if __name__ == "__main__":
    try:
        main()
    except GroupNLError as error:
        sys.exit(f"{error.message} {error.remedy}")
