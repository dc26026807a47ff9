"""What a rewrite rule answers when it is offered a node: one of three things, and nothing else."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Fired:
    """It rewrote the node. `note` tells what it chose, where there was a choice; it goes into the manifest."""

    note: str = ""


@dataclass(frozen=True)
class NotMine:
    """The node is not what the rule looks for. `NOT_MINE` is the one instance."""


@dataclass(frozen=True)
class Refused:
    """The node is what the rule looks for and must stay as it is; `--explain` and the manifest show the reason."""

    reason: str


NOT_MINE = NotMine()

Answer = Fired | NotMine | Refused
