"""What a campaign made, by what it is identified by."""

from pathlib import Path

from exporters.artifact import open_artifact
from groupnl_deploy.training.checkpoint import checkpoint_id


def products(folder: Path) -> dict[str, str]:
    """The identities of all checkpoints and artifacts of the campaign that keeps everything in `job`."""
    checkpoints, artifacts = folder / "job" / "checkpoints", folder / "job" / "artifacts"
    return {path.name: checkpoint_id(path) for path in checkpoints.iterdir()} | {
        path.name: open_artifact(path).sha256 for path in artifacts.iterdir()
    }
