"""How long an agent is waited for: as long as it says that it lives, and not much longer than it does."""

import time
from collections.abc import Iterable, Iterator
from itertools import chain, repeat

import numpy as np
import pytest

from device_agent.messages.alive import Alive
from device_agent.messages.bench import BenchBegun, BenchRequest, MemoryUse, PhaseMark, PhaseSpan, Progress
from device_agent.messages.board import BoardFacts
from device_agent.messages.clock import Ping, Pong
from device_agent.messages.lock import LockTaken, TakeLock, Waiting
from device_agent.settings import Settings
from device_agent.wire import ANSWER_S, Message, encode
from groupnl_deploy.errors import DeviceUnavailable
from groupnl_deploy.remote import client, deadline
from groupnl_deploy.remote.client import AgentClient
from groupnl_deploy.remote.transport import SILENCE_S, GoOn, never

STEP_S = 5.0


class Process:
    """Says its messages, one every `STEP_S` by a clock of its own. None: it says nothing more."""

    def __init__(self, messages: Iterable[Message | None]) -> None:
        self._messages: Iterator[Message | None] = iter(messages)
        self.waits_s: list[float] = []
        self.sent: list[bytes] = []
        self.now_s = 0.0

    def monotonic(self) -> float:
        """The time by this clock."""
        return self.now_s

    def send(self, data: bytes, timeout_s: float = SILENCE_S, go_on: GoOn = never) -> None:
        """Take all of it."""
        self.sent.append(data)
        self.now_s += STEP_S

    def has_line(self) -> bool:
        """Never at once."""
        return False

    def read_line(self, timeout_s: float) -> bytes:
        """The next message, or silence."""
        self.waits_s.append(timeout_s)
        message = next(self._messages)
        if message is None:
            raise DeviceUnavailable("The process sent nothing.", "")
        self.now_s += STEP_S
        return encode(message)


@pytest.fixture
def agent_saying(monkeypatch: pytest.MonkeyPatch):
    """Makes a client of an agent that says these messages."""

    def make(*messages: Message | None, forever: Message | None = None) -> AgentClient:
        process = Process(chain(messages, repeat(forever)))
        monkeypatch.setattr(client, "time", process)
        monkeypatch.setattr(deadline, "time", process)
        return AgentClient(process, "pi")  # type: ignore[arg-type]

    return make


def waits(agent: AgentClient) -> list[float]:
    return agent.process.waits_s  # type: ignore[attr-defined]


def test_signs_of_life_are_no_answer_and_are_waited_with(agent_saying) -> None:
    agent = agent_saying(Alive(), Alive(), Pong(7))
    assert agent.ask(Ping()) == Pong(7)
    assert waits(agent) == [SILENCE_S] * 3


def test_silence_is_raised_long_before_patience_has_ended(agent_saying) -> None:
    agent = agent_saying(Alive(), None)
    with pytest.raises(DeviceUnavailable, match="sent nothing"):
        agent.ask(TakeLock("a push", 600.0))
    assert waits(agent) == [SILENCE_S, SILENCE_S]


def test_an_agent_that_lives_and_does_not_answer_is_given_up_after_all(agent_saying) -> None:
    agent = agent_saying(forever=Alive())
    with pytest.raises(DeviceUnavailable, match="agent on pi is still at it after 30 s"):
        agent.ask(Ping())
    assert len(waits(agent)) == ANSWER_S / STEP_S


def test_waiting_for_the_lock_goes_on_as_long_as_the_agent_lives(agent_saying) -> None:
    told: list[Waiting] = []
    other = Waiting("a benchmark of net", 3.0)
    agent = agent_saying(Alive(), other, *[Alive()] * 100, LockTaken())
    agent.take_lock("a push", 600.0, told.append)
    assert told == [other]


def test_an_agent_that_falls_silent_while_bytes_are_sent_is_told_of(agent_saying) -> None:
    agent = agent_saying()
    with pytest.raises(DeviceUnavailable, match="agent on pi has been silent for 15 s"):
        agent.send_bytes([b"x"] * 10)
    assert agent.process.now_s == SILENCE_S + STEP_S


def heard(agent: AgentClient) -> list[Message]:
    """What a benchmark says before its agent falls silent."""
    request = BenchRequest("artifacts/x", "a" * 64, "null", Settings(1), 1, 0.0)
    messages: list[Message] = []
    with pytest.raises(DeviceUnavailable):
        messages += agent.bench(request, [np.zeros((1, 1, 1), np.uint8)])
    return messages


def test_before_it_begins_a_benchmark_is_waited_for_as_long_as_its_agent_lives(agent_saying) -> None:
    agent = agent_saying(*[Alive()] * 30, None)
    heard(agent)
    assert waits(agent) == [SILENCE_S] * 31


@pytest.mark.parametrize(
    ("mark", "silence_s"),
    [
        (PhaseMark("idle_before", 0, 10.0), 25.0),
        (PhaseMark("idle_after", 0, 0.0), 15.0),
        (PhaseMark("warmup", 0, 2.0), 23.0),
        (PhaseMark("steady", 0, 10.0), 55.0),
        (PhaseMark("runout", 0, 0.1), 15.4),
        (PhaseMark("check", 0, 30.0), 135.0),
    ],
)
def test_silence_of_a_phase_is_as_long_as_it_may_be(agent_saying, mark: PhaseMark, silence_s: float) -> None:
    agent = agent_saying(mark, None)
    heard(agent)
    assert waits(agent) == [SILENCE_S, pytest.approx(silence_s)]


def test_between_phases_and_behind_signs_of_progress_silence_is_what_it_was(agent_saying) -> None:
    span = PhaseSpan("check", 0, 1)
    agent = agent_saying(PhaseMark("check", 0, 30.0), Progress(1, 2), span, None)
    heard(agent)
    assert waits(agent) == [SILENCE_S, 135.0, 135.0, SILENCE_S]


def test_the_agent_hears_of_its_host_until_it_measures(agent_saying, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may take its time to begin, and from then on nothing wakes it."""
    monkeypatch.setattr(client, "EVERY_S", 0.01)
    board = BoardFacts(None, "aarch64", "Debian", "6.1", "3.11.2", 4, 1, 2, 3, "ondemand", 1.5e9, 48.3, 0)
    agent = agent_saying(Alive(), BenchBegun("b" * 64, Settings(1), board, MemoryUse(1, None, None, None)), None)
    sent = agent.process.sent  # type: ignore[attr-defined]

    def hears() -> bool:
        """From now on."""
        before, end_s = len(sent), time.monotonic() + 60.0
        while len(sent) == before and time.monotonic() < end_s:
            time.sleep(0.01)
        return len(sent) > before

    with agent.heard():
        assert hears()
        request = BenchRequest("artifacts/x", "a" * 64, "null", Settings(1), 0, 0.0)
        news = agent.bench(request, [])
        next(news)
        before = len(sent)
        time.sleep(0.2)
        assert len(sent) <= before + 1  # one may have been on its way
        with pytest.raises(DeviceUnavailable):
            next(news)
        assert hears()
