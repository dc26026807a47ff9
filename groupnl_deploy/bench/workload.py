"""How much work a benchmark does, and the limits under which its numbers mean something."""

from dataclasses import dataclass

from groupnl_deploy.errors import InvalidSetting
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
        for name in ("idle_s", "warmup_s", "min_seconds"):
            seconds = getattr(self, name)
            if not 0 <= seconds <= _LONGEST_S:  # NaN is in no range
                raise InvalidSetting(
                    f"{{{name}}} is {seconds:g} s, which is not between 0 s and a day.",
                    "Give seconds, such as 10.",
                    name,
                )
        self._require_count("threads", 0, 1024)
        self._require_count("min_iterations", 1, 1_000_000)
        if self.images is not None and self.images < 1:
            raise InvalidSetting("A benchmark needs at least one image.", "Raise {images}.", "images")

    def _require_count(self, name: str, least: int, most: int) -> None:
        number = getattr(self, name)
        if not least <= number <= most:
            raise InvalidSetting(
                f"{{{name}}} is {number:,}, which is not between {least} and {most:,}.",
                "Choose a number in this range.",
                name,
            )

    def require_measurable(self) -> None:
        """Raise `InvalidSetting` when a power meter could not resolve so short a run."""
        if self.min_seconds < MIN_METERED_S or self.min_iterations < MIN_ITERATIONS:
            short = ("min_seconds", "min_iterations")
            raise InvalidSetting(
                f"Energy needs a steady window of at least {MIN_METERED_S:g} s and {MIN_ITERATIONS} inferences: "
                "the meter renews its reading only twice a second.",
                "Raise {min_seconds} and {min_iterations}, or leave {meter} out.",
                *(short if self.min_seconds < MIN_METERED_S else reversed(short)),
                "meter",
            )
        if self.warmup_s < METERED_RUNOUT_S:
            raise InvalidSetting(
                f"Energy needs a warm-up of at least {METERED_RUNOUT_S:g} s, so that the step to the load lies too far "
                "before the window to blur its energy.",
                "Raise {warmup_s}, or leave {meter} out.",
                "warmup_s",
                "meter",
            )
        if self.idle_s < MIN_METERED_IDLE_S:
            raise InvalidSetting(
                f"Energy net of idle needs at least {MIN_METERED_IDLE_S:g} s of idle before and after.",
                "Raise {idle_s}, or leave {meter} out.",
                "idle_s",
                "meter",
            )
