"""What the host knows of a benchmark besides its result, as text that travels along: whoever fetches it needs both."""

from dataclasses import dataclass
from pathlib import Path

from device_agent.strict import StrictError, from_json, to_json
from groupnl_deploy.bench.run import RunFrame
from groupnl_deploy.errors import VerificationFailed
from groupnl_deploy.workspace import sha256_hex


@dataclass(frozen=True)
class Frame:
    """The frame of a run whose folder was to be called `name`.

    `key` is the digest of all that a campaign's step depends on; empty where no campaign asked for the run.
    """

    name: str
    run: RunFrame
    key: str = ""
    schema_version: int = 1

    def __post_init__(self) -> None:
        if Path(self.name).name != self.name:  # it becomes one
            raise ValueError(f"{self.name!r} is no folder's name")


def frame_text(name: str, run: RunFrame, key: str) -> str:
    """For the device to keep."""
    return to_json(Frame(name, run, key))


def read_frame(text: str, device: str) -> Frame:
    """The frame that a device gave back. Raises `VerificationFailed` for one that is not as a host wrote it."""
    try:
        frame = from_json(Frame, text, "the host's frame")
        manifest = sha256_hex(frame.run.manifest.to_bytes())
    except StrictError as error:
        raise VerificationFailed(
            f"What {device} keeps of a benchmark is damaged, or of another version: {error}.", "Bench again."
        ) from error
    if manifest != frame.run.artifact_sha256:
        raise VerificationFailed(f"{device} gave back another manifest than was benchmarked.", "Bench again.")
    return frame
