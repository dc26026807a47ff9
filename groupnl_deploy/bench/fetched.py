"""A benchmark out of a device's spool, made a whole run.

Where the host's incomplete run lies here, its recording and its clock probes go into the run; on another host, and
where the host was killed, the run has no power.
"""

import shutil
from pathlib import Path

from groupnl_deploy.bench.clock import from_before
from groupnl_deploy.bench.frame import Frame
from groupnl_deploy.bench.incomplete import RUNS, find_incomplete, load_incomplete, run_folder
from groupnl_deploy.bench.result import assemble, gather
from groupnl_deploy.bench.run import BenchRun, holds_bench, load_trace, save_run
from groupnl_deploy.errors import UsageError
from groupnl_deploy.remote.client import FetchedBench
from groupnl_deploy.workspace import free_name
from power.trace import PowerTrace


def incomplete_of(bench_id: str, out: Path | None) -> Path | None:
    """The incomplete run of a benchmark: beside the run `out`, or wherever runs lie."""
    return find_incomplete(bench_id, [RUNS, *RUNS.glob("*/runs")] if out is None else [out.parent])


def keep_fetched(fetched: FetchedBench, frame: Frame, out: Path | None) -> Path:
    """Make the run's folder, of the incomplete one where that lies here, which it then takes the place of."""
    bench_id = fetched.rest.request.bench_id
    kept = incomplete_of(bench_id, out)
    target = out or (RUNS / frame.name if kept is None else run_folder(kept))
    if holds_bench(target, bench_id):  # fetched before, and the device was not told
        return target
    target = target if out is not None else free_name(target)
    run, trace = whole_run(fetched, frame, kept)
    try:
        save_run(target, run, trace)
    except UsageError:
        if not holds_bench(target, bench_id):  # else a second fetch was faster
            raise
    if kept is not None:
        shutil.rmtree(kept, ignore_errors=True)
    return target


def whole_run(fetched: FetchedBench, frame: Frame, kept: Path | None) -> tuple[BenchRun, PowerTrace | None]:
    """The run of a fetched benchmark. Of its incomplete run, where that lies here, come the recording and the clock
    probes that time it.
    """
    incomplete = None if kept is None else load_incomplete(kept)
    result = assemble(fetched.rest.request, gather(fetched.messages))
    clock = trace = None
    if incomplete is not None and incomplete.clock_probes:
        clock = from_before(incomplete.clock_probes, result.span("idle_after").end_ns / 1e9)
    if kept is not None and incomplete is not None and incomplete.power is not None:
        trace = load_trace(kept, incomplete.power)
    lost = 1 if incomplete is None else max(1, incomplete.links_lost)
    return BenchRun(**vars(frame.run), clock=clock, result=result, power=None, links_lost=lost), trace
