"""Whether a training ended with a network that guesses. Pure."""

from groupnl_deploy.images.confusion import Confusion, interval_text


def near_chance(confusion: Confusion) -> str | None:
    """A sentence where nothing shows that the network is better than one that always names the commonest class.

    The rule: Wilson's interval of 95 % of its accuracy reaches down to that class's share of the test images.
    """
    if confusion.above_chance:
        return None
    return (
        f"This network answers no better than chance: {100 * confusion.accuracy:.1f} % of {confusion.images:,} images "
        f"({interval_text(confusion.interval)}), where always naming the commonest class is right in "
        f"{100 * confusion.chance:.1f} %. Train it longer (epochs), at another rate (lr) or with a wider limit on the "
        "gradient (clip_norm)."
    )
