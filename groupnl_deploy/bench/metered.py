"""How long a benchmark must be so that a power meter's numbers mean something."""

from device_agent.settings import Workload
from groupnl_deploy.errors import InvalidSetting
from power.edge_error import CLEAR_PERIODS

_KM003C_PERIOD_S = 0.5
# So ten seconds hold twenty measurements.
MIN_METERED_S = 10.0
MIN_METERED_ITERATIONS = 100
# The load stays on for so long on both sides of the steady window, and no step of it is in the bound of the joules.
METERED_RUNOUT_S = CLEAR_PERIODS * _KM003C_PERIOD_S
# An idle window loses as much at either end (`groupnl_deploy.bench.energy`); four measurements remain.
MIN_METERED_IDLE_S = 2 * METERED_RUNOUT_S + 4 * _KM003C_PERIOD_S


def require_measurable(workload: Workload) -> None:
    """Raise `InvalidSetting` when a power meter could not resolve so short a run."""
    if workload.min_seconds < MIN_METERED_S or workload.min_iterations < MIN_METERED_ITERATIONS:
        short = ("min_seconds", "min_iterations")
        raise InvalidSetting(
            f"Energy needs a steady window of at least {MIN_METERED_S:g} s and {MIN_METERED_ITERATIONS} inferences: "
            "the meter renews its reading only twice a second.",
            "Raise {min_seconds} and {min_iterations}, or leave {meter} out.",
            *(short if workload.min_seconds < MIN_METERED_S else reversed(short)),
            "meter",
        )
    if workload.warmup_s < METERED_RUNOUT_S:
        raise InvalidSetting(
            f"Energy needs a warm-up of at least {METERED_RUNOUT_S:g} s, so that the step to the load lies too far "
            "before the window to blur its energy.",
            "Raise {warmup_s}, or leave {meter} out.",
            "warmup_s",
            "meter",
        )
    if workload.idle_s < MIN_METERED_IDLE_S:
        raise InvalidSetting(
            f"Energy net of idle needs at least {MIN_METERED_IDLE_S:g} s of idle before and after.",
            "Raise {idle_s}, or leave {meter} out.",
            "idle_s",
            "meter",
        )
