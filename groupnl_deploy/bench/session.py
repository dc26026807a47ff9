"""One benchmark, start to end: meter on, clocks compared, work done, clocks compared again, meter off.

Where the link is lost on the way, the result is fetched over another one (`reconnect.py`), and the meter's recording
goes on meanwhile.
"""

import contextlib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from device_agent.manifest import ArtifactManifest
from device_agent.messages.bench import BenchRequest, Phase, PhaseMark
from device_agent.messages.ledger import Deployment
from device_agent.settings import Settings
from groupnl_deploy.bench.clock import ClockSync, synchronise
from groupnl_deploy.bench.frame import frame_text
from groupnl_deploy.bench.meter import Metering, MeterPlan, renewal_warning, start_metering
from groupnl_deploy.bench.metered import METERED_RUNOUT_S
from groupnl_deploy.bench.reconnect import CLOCK_PROBES, Absence, Taken, WayBack
from groupnl_deploy.bench.result import BenchMessage, BenchResult, assemble, gather
from groupnl_deploy.bench.run import BenchRun, Images, RunFrame, host_facts, now_utc
from groupnl_deploy.bench.unfinished import UnfinishedRun
from groupnl_deploy.errors import DeviceUnreachable
from groupnl_deploy.remote.client import AgentClient
from power.recorder import Recorder
from power.trace import PowerTrace

_COVER_TIMEOUT_S = 10.0  # how long to wait for the measurement that closes the last window

Watch = Callable[[BenchMessage], None]


@dataclass(frozen=True)
class Subject:
    """What is benchmarked where: a deployment with its manifest, and the images that the model is shown.

    `pixels` is uint8 (N, C, H, W); None for a model that takes no image and is shown the samples of its artifact.
    """

    deployment: Deployment
    manifest: ArtifactManifest
    pixels: npt.NDArray[np.uint8] | None
    images: Images


@dataclass(frozen=True)
class Measured:
    """A whole run, its recording where there is one, and the agent that waits for the receipt of it."""

    run: BenchRun
    trace: PowerTrace | None
    agent: AgentClient


def run_session(
    agent: AgentClient,
    subject: Subject,
    *,
    backend: str,
    settings: Settings,
    plan: MeterPlan | None,
    profile: bool = False,
    unfinished: UnfinishedRun,
    way_back: WayBack,
    watch: Watch,
    note: Callable[[str], None],
    metered: Callable[[Recorder], None] = lambda recorder: None,
) -> Measured:
    """Carry out one benchmark, by an agent that holds the device's lock.

    What arrives goes into `unfinished` at once; with a meter, its recording comes back too, and grows in the file
    `unfinished.recording` meanwhile. `note` is told at once of a meter that renews too fast, `metered` of
    the recorder as soon as it records. Raises the meter's error
    as soon as a phase begins without the meter: its joules would be wanting. Raises `NotBegun` for a link that was lost
    before the device had begun.
    """
    request = _request(subject, backend, settings, METERED_RUNOUT_S if plan else 0.0, profile)
    unfinished.way_back = way_back
    frame = unfinished.frame = RunFrame(
        device=way_back.device,
        artifact_sha256=subject.deployment.artifact_sha256,
        manifest=subject.manifest,
        request=request,
        images=subject.images,
        created_at=now_utc(),
        host=host_facts(),
    )
    with contextlib.nullcontext() if plan is None else start_metering(plan, unfinished.recording) as metering:
        if metering is not None:
            metered(metering.recorder)
        try:
            unfinished.clock_probes = agent.probe_clock(CLOCK_PROBES)
        except DeviceUnreachable as lost:
            raise way_back.not_begun(lost) from lost
        ear = _Ear(unfinished, _watching(metering, watch, note))
        try:
            text = frame_text(unfinished.name, frame, unfinished.key)
            for message in agent.bench(request, () if subject.pixels is None else subject.pixels, text):
                ear.hear(message)
            probes = agent.probe_clock(CLOCK_PROBES)
        except DeviceUnreachable as lost:
            taken = _take(way_back, ear.absence(request, agent), lost, metering)
            unfinished.messages[:] = taken.fetched.messages
            agent, probes = taken.agent, taken.clock_probes
        result = assemble(request, gather(unfinished.messages))
        clock = synchronise(unfinished.clock_probes, probes)
        trace = _close(metering, clock, result)
    run = BenchRun(**vars(frame), clock=clock, result=result, power=None, links_lost=way_back.times_lost)
    return Measured(run, trace, agent)


def _request(subject: Subject, backend: str, settings: Settings, runout_s: float, profile: bool) -> BenchRequest:
    return BenchRequest(
        directory=subject.deployment.directory,
        manifest_sha256=subject.deployment.artifact_sha256,
        backend=backend,
        settings=settings,
        images_sent=0 if subject.pixels is None else len(subject.pixels),
        runout_s=runout_s,
        bench_id=secrets.token_hex(6),
        profile=profile,
    )


class _Ear:
    """Keeps every message as it comes, remembers the last phase's beginning, and passes the message on."""

    def __init__(self, unfinished: UnfinishedRun, watch: Watch) -> None:
        self._unfinished, self._watch = unfinished, watch
        self._mark: PhaseMark | None = None
        self._heard_s = 0.0

    def hear(self, message: BenchMessage) -> None:
        self._unfinished.messages.append(message)
        if isinstance(message, PhaseMark):
            self._mark, self._heard_s = message, time.monotonic()
        self._watch(message)

    def absence(self, request: BenchRequest, agent: AgentClient) -> Absence:
        return Absence(request, self._mark, self._heard_s, agent.oom_kills)


def _take(way_back: WayBack, absence: Absence, lost: DeviceUnreachable, metering: Metering | None) -> Taken:
    """Wait, with an eye on the meter, and fetch the benchmark's messages. An emulated meter is told what to show."""

    def enter(phase: Phase) -> None:
        if metering is not None:
            metering.enter_phase(phase)

    return way_back.take(absence, lost, enter, time.sleep if metering is None else metering.recorder.wait)


def _watching(metering: Metering | None, watch: Watch, note: Callable[[str], None]) -> Watch:
    """Every message goes to the watcher; a phase's beginning also to the meter, and first.

    What makes the meter's joules worthless is noted as soon as a message comes after it shows.
    """
    warn = None if metering is None else renewal_warning(metering.recorder, note)

    def watching(message: BenchMessage) -> None:
        if metering is not None and isinstance(message, PhaseMark):
            metering.enter_phase(message.phase)
            metering.recorder.raise_failure()  # no need to go on
        if warn is not None:
            warn()
        watch(message)

    return watching


def _close(metering: Metering | None, clock: ClockSync, result: BenchResult) -> PowerTrace | None:
    """Wait until measurements lie behind the last window, as the bound of its error wants them, then stop recording."""
    if metering is None:
        return None
    end_s = clock.host_s(result.span("idle_after").end_ns)
    metering.recorder.wait_until_covered(end_s + METERED_RUNOUT_S, METERED_RUNOUT_S + _COVER_TIMEOUT_S)
    return metering.recorder.stop()
