"""Where a pushed artifact's model and library lie on a device, for a program of the user's own."""

from collections.abc import Sequence
from dataclasses import dataclass

from device_agent.manifest import ArtifactManifest, NativeModel
from device_agent.messages.ledger import ReadLedger, Standing
from device_agent.messages.native import AskNative
from groupnl_deploy.deploy.ledger import find_deployment, remote_manifest
from groupnl_deploy.deploy.own_program import own_program
from groupnl_deploy.errors import UsageError, VerificationFailed
from groupnl_deploy.remote.client import AgentClient


@dataclass(frozen=True)
class NativePaths:
    """Absolute paths on the device, which stay what they are as long as the artifact is there.

    Args:
        artifact_sha256: of the artifact.
        label: of its network.
        artifact: its folder; `current/onnx` where it is that, and was not asked for by its id.
        model: the file for this device's processor, its ONNX Runtime and all of its cores.
        library: computes its native operators.
        folder: of `groupnl_native.py`, which loads libraries.
        models: all files of the artifact, which lie beside that one: another runtime, or one thread, may want another.
    """

    artifact_sha256: str
    label: str
    artifact: str
    model: str
    library: str
    folder: str
    models: tuple[NativeModel, ...]

    @property
    def program(self) -> str:
        """Lines of Python that run the model once, on zeros."""
        return own_program(self.artifact, self.model.rpartition("/")[2], self.library)


def native_paths(device: str, agent: AgentClient, artifact: str | None) -> NativePaths:
    """Of the artifact whose id begins with `artifact`, else of the current one or the newest with native operators.

    Raises `UsageError` where none was pushed or it cannot run there, `VerificationFailed` where its library is not
    there as it was sent.
    """
    found, manifest = _found(device, agent, agent.ask(ReadLedger(device)).artifacts, artifact)
    deployment = found.deployment
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
        f"{agent.root}/{'current/onnx' if found.is_current and artifact is None else deployment.directory}",
        f"{agent.root}/{deployment.directory}/{fit.model.file}",
        f"{agent.root}/native/{fit.library.sha256}",
        f"{agent.root}/native",
        manifest.native.models,
    )


def _found(
    device: str, agent: AgentClient, artifacts: Sequence[Standing], artifact: str | None
) -> tuple[Standing, ArtifactManifest]:
    if artifact is not None:
        named = find_deployment(artifacts, device, "onnxruntime", artifact)
        artifacts = [one for one in artifacts if one.deployment == named]
    ordered = sorted(artifacts, key=lambda one: one.is_current)
    for one in reversed(ordered):
        manifest = remote_manifest(agent, one.deployment)
        if manifest.native is not None and manifest.native.runtime == "onnxruntime":
            return one, manifest
    raise UsageError(
        f"{'No artifact' if artifact is None else f'No artifact {artifact[:12]}'} with native operators for ONNX "
        f"Runtime was pushed to {device}.",
        "Export with --optimize native --format onnx, then push that: groupnl push ARTIFACT --device NAME",
    )
