"""For what must come, however late a busy machine lets it."""

import time
from collections.abc import Callable

PATIENCE_S = 60.0
LOOK_EVERY_S = 0.01


def until(true: Callable[[], object]) -> None:
    """Wait for it. Raises `AssertionError` where it does not come."""
    end_s = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < end_s, "it never came"
        time.sleep(LOOK_EVERY_S)
