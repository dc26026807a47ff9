"""A campaign's benchmark that its device finished without it is fetched by the campaign, where it is of use."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from device_agent.messages.greeting import AgentFault
from device_agent.messages.ledger import Deployment
from device_agent.spool import SpooledBench
from device_agent.strict import from_json, to_json
from groupnl_deploy.bench.energy import run_energy
from groupnl_deploy.bench.incomplete import load_incomplete
from groupnl_deploy.bench.kept import Kept, take_kept
from groupnl_deploy.bench.run import load_run
from groupnl_deploy.campaign.bench_job import BenchJob
from groupnl_deploy.errors import DeviceUnreachable
from groupnl_deploy.jobs.store import key_of
from groupnl_deploy.remote.waiting import take_lock
from groupnl_deploy.workspace import POWER_FILE
from tests.bench.road import SHORT, Listener, Road

pytestmark = pytest.mark.alone


@pytest.fixture
def job(road: Road) -> BenchJob:
    """A campaign's step on the road's device, whose push was done."""
    artifact, file = road.artifact, Path("deployed.json")
    pushed = Deployment("board", artifact.sha256, "a", "onnx", "f" * 64, "2026-11-01T00:00:00+00:00", None)
    file.write_text(to_json(pushed))
    return BenchJob(
        name="a-null",
        product=Path("job/runs/a-null"),
        deployment=file,
        device="board",
        backend="null",
        settings=SHORT,
        repeat=1,
        plan=None,
    )


def kept(road: Road, job: BenchJob, **other: object) -> Kept:
    known = Kept("board", road.artifact.sha256, "null", key_of(job), metered=False, out=job.product)
    return replace(known, **other)  # type: ignore[arg-type]


@contextmanager
def asking(road: Road) -> Iterator[Callable[[Kept], tuple[bool, str]]]:
    """Takes what the device kept, if there is such a thing; and what was said of it."""
    with road.reach() as agent:
        take_lock(agent, "board", "a test", 60, lambda text: None)

        def taken(wanted: Kept) -> tuple[bool, str]:
            said = list[str]()
            return take_kept(agent, wanted, said.append), " ".join(said)

        yield taken


def test_a_step_whose_link_was_lost_is_fetched_and_not_done_again(road: Road, job: BenchJob) -> None:
    road.lose_for_good(job.product, key=key_of(job))
    assert any("for seven days; the same command fetches it" in one for one in road.said)
    bench_id = load_incomplete(job.product.with_name("a-null.incomplete")).request.bench_id
    with asking(road) as taken:
        assert taken(kept(road, job, key=key_of(replace(job, repeat=2)))) == (False, "")
        assert taken(kept(road, job, backend="onnxruntime")) == (False, "")
        again, said = taken(kept(road, job, metered=True))
        assert not again and "its recording is not here; it is done again" in said
        require_useless(road, lambda: taken(kept(road, job)))
    assert job.may_still_come()
    listener = Listener("", int)
    job.make(listener)
    assert not job.may_still_come()
    run, _ = load_run(job.product)
    assert (run.request.bench_id, run.links_lost) == (bench_id, 1)
    assert any("0 min ago; it is fetched, and not done again" in one for one in listener.said)
    assert [path.name for path in job.product.parent.iterdir()] == ["a-null"]
    road.require_nothing_left()


def require_useless(road: Road, taken: Callable[[], tuple[bool, str]]) -> None:
    """Failed, or damaged: for as long as that is so."""
    (record,) = (road.root / "spool").glob("*/bench.json")
    whole, messages = record.read_text(), record.with_name("messages.jsonl")
    failed = replace(from_json(SpooledBench, whole), fault=AgentFault("internal", "It was hot.", "Wait."))
    record.write_text(to_json(failed))
    assert "it failed: It was hot; it is done again" in taken()[1]
    record.write_text(whole)
    lines = messages.read_bytes()
    messages.write_bytes(b"x" + lines[1:])
    assert "is not used: " in taken()[1]
    messages.write_bytes(lines)


@pytest.mark.slow
@pytest.mark.parametrize("retry_for_s", [0.1, 0.0])
def test_with_a_meter_it_is_of_use_if_the_recording_goes_to_its_end(
    road: Road, job: BenchJob, retry_for_s: float
) -> None:
    with pytest.raises(DeviceUnreachable):
        road.metered("warmup", lambda: road.link.cut("reset"), job.product, retry_for_s)
    road.link.mend()
    recording = job.product.with_name("a-null.incomplete") / POWER_FILE
    with asking(road) as taken:
        whole = recording.read_bytes()
        recording.write_bytes(whole + b"x")
        of_use, said = taken(kept(road, job, key="", metered=True))
        assert not of_use and "is not used: " in said
        recording.write_bytes(whole)
        of_use, said = taken(kept(road, job, key="", metered=True))
    assert of_use == (retry_for_s > 0)
    if of_use:
        run, trace = load_run(job.product)
        assert trace is not None and run_energy(run, trace).net.idle_power_w == pytest.approx(5.0)
    else:
        assert "its recording has no joules" in said
