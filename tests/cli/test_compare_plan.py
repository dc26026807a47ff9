"""How long a comparison takes, in words."""

import pytest

from device_agent.settings import Workload
from groupnl_deploy.bench.workloads import quick
from groupnl_deploy.cli.compare_subjects import how_long


@pytest.mark.parametrize(
    ("work", "runs", "said"),
    [
        (Workload(), 20, "20 runs of about 57 s each: about 19 minutes."),
        (quick(Workload()), 20, "20 runs of about 27 s each: about 9 minutes."),
        (Workload(), 2, "2 runs of about 57 s each: about 114 seconds."),
        (Workload(idle_s=0, warmup_s=0, min_seconds=1), 4, "4 runs of about 6 s each: about 24 seconds."),
    ],
)
def test_below_two_minutes_it_is_seconds(work: Workload, runs: int, said: str) -> None:
    assert how_long(work, runs) == said
