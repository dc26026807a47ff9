"""A run's profile by the layers of its network, which is sketched for that."""

from device_agent.manifest import ArtifactManifest
from device_agent.strict import StrictError, from_dict
from groupnl_deploy.bench.run import BenchRun
from groupnl_deploy.models.refusal import InvalidSpec
from groupnl_deploy.models.spec import ModelSpec
from groupnl_deploy.report.profile import Roles, RunProfile, Steady, run_profile


def profile_of(run: BenchRun, steady: Steady) -> RunProfile | None:
    """Where a run's time goes; None where no profile was asked for."""
    found = run.result.profile
    return None if found is None else run_profile(found, _roles(run.manifest), steady)


def _roles(manifest: ArtifactManifest) -> Roles:
    """None for another's ONNX file, a network of the user's own, whose code is not run here, or of another version."""
    try:
        spec = from_dict(ModelSpec, manifest.model, "model")
    except (StrictError, InvalidSpec):
        return {}
    if spec.code:
        return {}
    from groupnl_deploy.models.layer_roles import layer_roles  # it imports PyTorch, and few runs have a profile

    try:
        return layer_roles(spec)
    except InvalidSpec:
        return {}
