"""A checkpoint as the JSON document of the commands that make one."""

from pathlib import Path
from typing import Any


def checkpoint_json(folder: Path, sha256: str) -> dict[str, Any]:
    """Where it is, its id, and all that `checkpoint.json` says."""
    from device_agent.strict import to_dict
    from groupnl_deploy.training.checkpoint import load_checkpoint

    return {
        "schema_version": 1,
        "path": str(folder),
        "sha256": sha256,
        "checkpoint": to_dict(load_checkpoint(folder)),
    }
