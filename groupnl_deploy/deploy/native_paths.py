"""Where a pushed artifact's model and library lie on a device, for a program of the user's own."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from device_agent.manifest import ArtifactManifest, NativeModel, TensorInfo
from device_agent.messages.ledger import Deployment, ReadLedger, Standing
from device_agent.messages.native import AskNative
from groupnl_deploy.deploy.ledger import find_deployment, remote_manifest
from groupnl_deploy.errors import UsageError, VerificationFailed
from groupnl_deploy.remote.client import AgentClient

# The lines of docs/native.md, "In a program of your own".
_PROGRAM = """\
import sys

sys.path.insert(0, {folder})
import numpy
import onnxruntime
from groupnl_native import register

options = onnxruntime.SessionOptions()
register(options, {library})
session = onnxruntime.InferenceSession({model}, options)
inputs = {{{inputs}}}
print([output.shape for output in session.run(None, inputs)])
"""


@dataclass(frozen=True)
class NativePaths:
    """Absolute paths on the device, which stay what they are as long as the artifact is there.

    Args:
        artifact_sha256: of the artifact.
        label: of its network.
        model: the file for this device's processor, its ONNX Runtime and all of its cores.
        library: computes its native operators.
        folder: of `groupnl_native.py`, which loads libraries.
        inputs: of the model.
        models: all files of the artifact, which lie beside that one: another runtime, or one thread, may want another.
    """

    artifact_sha256: str
    label: str
    model: str
    library: str
    folder: str
    inputs: tuple[TensorInfo, ...]
    models: tuple[NativeModel, ...]

    @property
    def program(self) -> str:
        """Ten lines of Python that run the model once, on zeros."""
        zeros = (f"{_quoted(one.name)}: numpy.zeros({one.shape}, {_quoted(one.dtype)})" for one in self.inputs)
        folder, library, model = map(_quoted, (self.folder, self.library, self.model))
        return _PROGRAM.format(folder=folder, library=library, model=model, inputs=", ".join(zeros))


def _quoted(text: str) -> str:
    """As a literal of Python's, in the quotes of this project."""
    return json.dumps(text, ensure_ascii=False)


def native_paths(device: str, agent: AgentClient, artifact: str | None) -> NativePaths:
    """Of the artifact whose id begins with `artifact`, else of the newest with native operators.

    Raises `UsageError` where none was pushed or it cannot run there, `VerificationFailed` where its library is not
    there as it was sent.
    """
    deployment, manifest = _found(device, agent, agent.ask(ReadLedger(device)).artifacts, artifact)
    assert manifest.native is not None
    fit = agent.ask(AskNative(manifest.native, threads=0))  # as many as a session has unless it is told otherwise
    if fit.state != "whole":
        raise VerificationFailed(
            f"The library that {deployment.label} needs is {fit.state} on {device}.",
            "Push the artifact again: that sends the library too.",
        )
    return NativePaths(
        deployment.artifact_sha256,
        deployment.label,
        f"{agent.root}/{deployment.directory}/{fit.model.file}",
        f"{agent.root}/native/{fit.library.sha256}",
        f"{agent.root}/native",
        manifest.inputs,
        manifest.native.models,
    )


def _found(
    device: str, agent: AgentClient, artifacts: Sequence[Standing], artifact: str | None
) -> tuple[Deployment, ArtifactManifest]:
    deployments = [one.deployment for one in artifacts]
    if artifact is not None:
        deployments = [find_deployment(artifacts, device, "onnxruntime", artifact)]
    for deployment in reversed(deployments):
        manifest = remote_manifest(agent, deployment)
        if manifest.native is not None:
            return deployment, manifest
    raise UsageError(
        f"{'No artifact' if artifact is None else f'No artifact {artifact[:12]}'} with native operators was pushed to "
        f"{device}.",
        "Export with --optimize native, then push that: groupnl push ARTIFACT --device NAME",
    )
