"""What the gate allows, each number in this one place; nothing slow is imported, so a push may read it too."""

from exporters.choices import Batch

TOLERANCE = 1e-4  # of the spread of the outputs
ROUNDINGS = 2  # of eager's own error, where that is more: two computations that both round may differ so far
ON_A_DEVICE = 10  # times as much, of the spread and of ties alike: other processors sum in another order
ONE_BY_ONE = (1,)
DYNAMIC = (1, 2, 5)
# How many images at once an export is proved with.
PROVED_AT: dict[Batch, tuple[int, ...]] = {"1": ONE_BY_ONE, "dynamic": DYNAMIC}


def tie(eager_error: float) -> float:
    """Two outputs no farther apart than this may change places: each may move by twice eager's own error."""
    return 2 * ROUNDINGS * eager_error
