"""How much work a benchmark does, and the limits under which its numbers mean something."""

from dataclasses import dataclass

from groupnl_deploy.errors import UsageError
from power.edge_error import CLEAR_PERIODS

_KM003C_PERIOD_S = 0.5
# So ten seconds hold twenty measurements.
MIN_METERED_S = 10.0
MIN_ITERATIONS = 100
# The load stays on for so long on both sides of the steady window, and no step of it is in the bound of the joules.
METERED_RUNOUT_S = CLEAR_PERIODS * _KM003C_PERIOD_S
# An idle window loses as much at either end (`groupnl_deploy.bench.energy`); four measurements remain.
MIN_METERED_IDLE_S = 2 * METERED_RUNOUT_S + 4 * _KM003C_PERIOD_S
_LONGEST_S = 86_400.0


@dataclass(frozen=True)
class Workload:
    """At least `min_iterations` inferences and `min_seconds`, after `warmup_s`, between two idle stretches.

    `threads` 0 means every core of the device; `images` null means every test image there is.
    """

    threads: int = 0
    images: int | None = 100
    idle_s: float = 10.0
    warmup_s: float = 2.0
    min_iterations: int = MIN_ITERATIONS
    min_seconds: float = MIN_METERED_S

    def __post_init__(self) -> None:
        durations = (self.idle_s, self.warmup_s, self.min_seconds)
        if not all(0 <= seconds <= _LONGEST_S for seconds in durations):  # NaN is in no range
            raise UsageError("A duration of the benchmark is not between 0 s and a day.", "Give seconds, such as 10.")
        if not 0 <= self.threads <= 1024 or not 1 <= self.min_iterations <= 1_000_000:
            raise UsageError(
                "A benchmark has 0 to 1024 threads and 1 to 1,000,000 iterations.", "Choose numbers in these ranges."
            )
        if self.images is not None and self.images < 1:
            raise UsageError("A benchmark needs at least one image.", "Ask for more images.")

    def require_measurable(self) -> None:
        """Raise `UsageError` when a power meter could not resolve so short a run."""
        if self.min_seconds < MIN_METERED_S or self.min_iterations < MIN_ITERATIONS:
            raise UsageError(
                f"Energy needs a steady window of at least {MIN_METERED_S:g} s and {MIN_ITERATIONS} inferences: "
                "the meter renews its reading only twice a second.",
                "Raise --seconds and --iterations, or leave --meter out.",
            )
        if self.warmup_s < METERED_RUNOUT_S:
            raise UsageError(
                f"Energy needs a warm-up of at least {METERED_RUNOUT_S:g} s, so that the step to the load lies too far "
                "before the window to blur its energy.",
                "Raise --warmup, or leave --meter out.",
            )
        if self.idle_s < MIN_METERED_IDLE_S:
            raise UsageError(
                f"Energy net of idle needs at least {MIN_METERED_IDLE_S:g} s of idle before and after.",
                "Raise --idle, or leave --meter out.",
            )
