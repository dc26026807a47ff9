"""A campaign's benchmark whose link was lost, and that its device finished: it is taken, and not done again."""

from dataclasses import dataclass
from pathlib import Path

from device_agent.messages.spool import BenchState, ForgetBench, ListBenches
from groupnl_deploy.bench.energy import run_energy
from groupnl_deploy.bench.fetched import incomplete_of, keep_fetched, whole_run
from groupnl_deploy.bench.frame import Frame, read_frame
from groupnl_deploy.errors import DeviceUnreachable, GroupNLError
from groupnl_deploy.progress import Say
from groupnl_deploy.remote.client import AgentClient, FetchedBench
from power.errors import PowerError


@dataclass(frozen=True)
class Kept:
    """What is looked for in a device's spool.

    Args:
        device: its name.
        artifact_sha256: the id of what was benchmarked.
        backend: by which.
        key: what the campaign knows the run by: all that it depends on.
        metered: whether a run without joules is of no use.
        out: the run's folder.
    """

    device: str
    artifact_sha256: str
    backend: str
    key: str
    metered: bool
    out: Path


def take_kept(agent: AgentClient, wanted: Kept, say: Say) -> bool:
    """Make the run of what the device kept, if there is such a thing; whether there was.

    What is of no use stays where it is, to be fetched or to go by itself; `say` is told why. Raises
    `DeviceUnreachable` where the link breaks, and what making the folder raises.
    """
    for state in agent.ask(ListBenches()).benches:
        if _may_be(state, wanted) and _take(agent, state.bench_id, wanted, say):
            return True
    return False


def _may_be(state: BenchState, wanted: Kept) -> bool:
    same = (wanted.artifact_sha256, wanted.backend)
    return state.state == "finished" and (state.artifact_sha256, state.backend) == same


def _take(agent: AgentClient, bench_id: str, wanted: Kept, say: Say) -> bool:
    try:
        fetched = agent.fetch_bench(bench_id)
        frame = read_frame(fetched.rest.frame, wanted.device)
        if frame.key != wanted.key:
            return False
        useless = _useless(fetched, frame, wanted)
    except DeviceUnreachable:
        raise
    except (GroupNLError, PowerError) as error:  # damaged, there or here
        say(f"What {wanted.device} keeps of the benchmark {bench_id} is not used: {error.message}")
        return False
    if useless is not None:
        say(f"{wanted.device} finished this benchmark by itself, but {useless}; it is done again.")
        return False
    keep_fetched(fetched, frame, wanted.out)
    agent.ask(ForgetBench(bench_id))
    say(
        f"{wanted.device} finished this benchmark by itself, {fetched.rest.ended_s / 60:.0f} min ago; it is fetched, "
        "and not done again."
    )
    return True


def _useless(fetched: FetchedBench, frame: Frame, wanted: Kept) -> str | None:
    """Why it cannot stand for a new benchmark, None where it can. Raises what `whole_run` does."""
    if fetched.rest.fault is not None:
        return f"it failed: {fetched.rest.fault.message.rstrip('.')}"
    run, trace = whole_run(fetched, frame, incomplete_of(fetched.rest.request.bench_id, wanted.out))
    if not wanted.metered:
        return None
    if trace is None:
        return "its recording is not here"
    try:
        run_energy(run, trace)
    except PowerError as error:
        return f"its recording has no joules: {error.message.rstrip('.')}"
    return None
