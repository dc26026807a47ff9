"""Errors of a process that has lost the others. Imports nothing slow."""

from groupnl_deploy.errors import GroupNLError

LOST_CODE = 75
"""The exit code of a process that would go on if the others were there again (sysexits.h: EX_TEMPFAIL)."""
_SAID = ("Connection closed by peer", "Connection reset by peer", "Connection refused", "Broken pipe", "NCCL", "gloo")


class OtherRankFailed(GroupNLError):
    """Another process of this training cannot go on, and has said why."""

    def __init__(self, rank: int, said: str, size: int) -> None:
        super().__init__(
            f"Process {rank} of {size} cannot train: {said}",
            "See to that on its machine, and start the training again on all; it goes on from the last saved state.",
        )


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
