"""Errors of a process that has lost the others. Imports nothing slow."""

from dataclasses import dataclass

from groupnl_deploy.errors import GroupNLError

LOST_CODE = 75
"""The exit code of a process that would go on if the others were there again (sysexits.h: EX_TEMPFAIL)."""
_SAID = ("Connection closed by peer", "Connection reset by peer", "Connection refused", "Broken pipe", "NCCL", "gloo")


@dataclass(frozen=True)
class Failed:
    """What a process that cannot go on tells the others; `said` is empty where it can."""

    said: str = ""
    remedy: str = ""
    exit_code: int = 1

    @classmethod
    def of(cls, error: Exception) -> "Failed":
        """What is told of an error."""
        if isinstance(error, GroupNLError):
            return cls(error.message, error.remedy, error.exit_code)
        return cls(str(error) or type(error).__name__, "See to that.")


class OtherRankFailed(GroupNLError):
    """Another process of this training cannot go on, and has said why."""

    def __init__(self, rank: int, size: int, failed: Failed) -> None:
        super().__init__(
            f"Process {rank} of {size} cannot train: {failed.said}",
            f"On its machine: {failed.remedy} Then start the training again on all; it goes on from the last saved "
            "state.",
        )
        self.exit_code = failed.exit_code


class ToldByFirst(GroupNLError):
    """An error of this process, which the first one tells the user as `OtherRankFailed`."""

    def __init__(self, failed: Failed) -> None:
        super().__init__(failed.said, failed.remedy)
        self.exit_code = failed.exit_code


class PeerLost(GroupNLError):
    """Another process of this training is gone."""

    exit_code = LOST_CODE

    def __init__(self) -> None:
        super().__init__(
            "Another process of this training is gone.",
            "Start the training again on all machines, or let torchrun do so (--max-restarts); it goes on from the "
            "last saved state.",
        )


def is_lost_peer(error: BaseException) -> bool:
    """Whether gloo or NCCL says in an error that another process does not answer any more."""
    return isinstance(error, RuntimeError) and any(said in str(error) for said in _SAID)
