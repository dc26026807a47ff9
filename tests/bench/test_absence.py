"""How long the host stays away from a benchmark whose link was lost, and what it makes of one that it fetches."""

import hashlib
from dataclasses import replace

import pytest

from device_agent.messages.bench import BenchRequest, Phase, PhaseMark
from device_agent.settings import Settings, Workload
from groupnl_deploy.bench import reconnect
from groupnl_deploy.bench.clock import LARGEST_DRIFT, from_before
from groupnl_deploy.bench.frame import Frame, frame_text, read_frame
from groupnl_deploy.bench.reconnect import Absence, wait_for_end
from groupnl_deploy.bench.run import Images, RunFrame
from groupnl_deploy.errors import VerificationFailed
from groupnl_deploy.remote.client import ClockProbe
from tests.bench.made_runs import DIGEST, made_manifest

WORK = Workload(idle_s=10.0, warmup_s=2.0, min_seconds=20.0)
REQUEST = BenchRequest("artifacts/x", "a" * 64, "null", Settings(workload=WORK), 1, 1.5, "0123456789ab")


class Clock:
    """Time that passes only while somebody waits."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def monotonic(self) -> float:
        return self.now_s

    def pause(self, seconds: float) -> None:
        self.now_s += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(reconnect.time, "monotonic", clock.monotonic)
    return clock


def test_it_waits_until_the_end_and_tells_each_phase_when_it_should_begin(clock: Clock) -> None:
    """The window turned out to take 30 s, of which 12 had passed unheard when the link was found dead."""
    absence, told = Absence(REQUEST, PhaseMark("steady", 0, 30.0), clock.now_s - 12), dict[Phase, float]()
    wait_for_end(absence, lambda phase: told.update({phase: clock.now_s - 1000}), clock.pause)
    assert told == {"runout": 18.0, "idle_after": 19.5}
    assert clock.now_s - 1000 == 30.5


@pytest.mark.parametrize("mark", [None, PhaseMark("idle_after", 0, 10.0)])
def test_nothing_is_waited_for_that_should_be_over_or_was_never_heard_of(clock: Clock, mark: PhaseMark | None) -> None:
    wait_for_end(Absence(REQUEST, mark, clock.now_s - 60), lambda phase: None, clock.pause)
    assert clock.now_s == 1000


def test_clocks_without_probes_behind_the_run_are_as_uncertain_as_clocks_can_drift() -> None:
    probes = [ClockProbe(100.0, 100.5, 7.0), ClockProbe(101.0, 101.004, 8.0)]
    clock = from_before(probes, until_device_s=58.0)
    assert clock.host_s(int(8e9)) == pytest.approx(101.002)
    assert clock.drift == 0 and clock.uncertainty_s == pytest.approx(0.002 + 50 * LARGEST_DRIFT)


def test_a_frame_comes_back_as_it_was_and_is_held_against_the_artifact() -> None:
    manifest = made_manifest(trained=False)
    sha256 = hashlib.sha256(manifest.to_bytes()).hexdigest()
    frame = RunFrame(
        device="pi",
        artifact_sha256=sha256,
        manifest=manifest,
        request=REQUEST,
        images=Images("digits", (1,)),
        created_at="2026-11-21T00:00:00+00:00",
        host={},
    )
    text = frame_text("mine", frame, "a step")
    assert read_frame(text, "pi") == Frame("mine", frame, "a step")
    other = frame_text("mine", replace(frame, artifact_sha256=DIGEST), "a step")
    for wrong in (other, text[:-20], text.replace('"name": "mine"', '"name": "../x"')):
        with pytest.raises(VerificationFailed):
            read_frame(wrong, "pi")
