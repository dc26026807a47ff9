"""The network in a folder, whatever kind of folder it is."""

from pathlib import Path

from device_agent.manifest import MANIFEST_FILE
from groupnl_deploy.errors import UsageError
from groupnl_deploy.evaluation.subject import Subject
from groupnl_deploy.workspace import CHECKPOINT_FILE


def open_subject(folder: Path) -> Subject:
    """The network in a checkpoint folder or an artifact folder.

    Raises `UsageError` for what is neither, and for random weights; `VerificationFailed` and `ArtifactDamaged` for what
    is damaged.
    """
    if (folder / MANIFEST_FILE).is_file():
        from groupnl_deploy.evaluation.artifact import artifact_subject

        return artifact_subject(folder)
    if (folder / CHECKPOINT_FILE).is_file():
        from groupnl_deploy.evaluation.checkpoint import checkpoint_subject

        return checkpoint_subject(folder)
    raise UsageError(
        f"{folder} {'is neither a checkpoint nor an artifact' if folder.exists() else 'does not exist'}.",
        f"Name a folder with a {CHECKPOINT_FILE}, as groupnl train or models import writes, or with a {MANIFEST_FILE}, "
        "as groupnl export does.",
    )
