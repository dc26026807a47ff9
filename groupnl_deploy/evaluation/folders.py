"""The network in a folder, whatever kind of folder it is."""

from pathlib import Path

from device_agent.manifest import MANIFEST_FILE
from groupnl_deploy.evaluation.subject import Subject
from groupnl_deploy.mistaken import refusal
from groupnl_deploy.progress import Reporter
from groupnl_deploy.workspace import CHECKPOINT_FILE


def open_subject(folder: Path, reporter: Reporter) -> Subject:
    """The network in a checkpoint folder or an artifact folder.

    Raises `UsageError` for what is neither, and for random weights; `VerificationFailed` and `ArtifactDamaged` for what
    is damaged.
    """
    if (folder / MANIFEST_FILE).is_file():
        from groupnl_deploy.evaluation.artifact import artifact_subject

        return artifact_subject(folder, reporter)
    if (folder / CHECKPOINT_FILE).is_file():
        from groupnl_deploy.evaluation.checkpoint import checkpoint_subject

        return checkpoint_subject(folder)
    raise refusal(folder, "checkpoint", "artifact")
