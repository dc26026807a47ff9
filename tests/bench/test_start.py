"""How a benchmark begins over a link that is broken, or breaks: begun again, within its budget."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from device_agent.messages.clock import Ping
from device_agent.settings import Settings, Workload
from groupnl_deploy.bench.start import Start
from groupnl_deploy.errors import DeviceUnavailable
from groupnl_deploy.progress import Silence
from groupnl_deploy.remote.retry import Budget
from tests.bench.road import Road

pytestmark = pytest.mark.alone


class Mending(Silence):
    """Mends the link when somebody tries again."""

    def __init__(self, road: Road) -> None:
        self._road, self.said = road, list[str]()

    def note(self, text: str) -> None:
        """One line that stays."""
        self.said.append(text)
        if "trying again" in text:
            self._road.link.mend()


@pytest.fixture
def mending(road: Road) -> Mending:
    return Mending(road)


@pytest.fixture
def start(road: Road, mending: Mending) -> Iterator[Start]:
    settings, wanted = Settings(1, workload=Workload(images=2)), road.artifact.sha256
    with ExitStack() as running:
        yield Start(running, road.device, "null", wanted, settings, None, 0.0, Budget(30), mending)
    road.link.mend()


def test_a_board_that_is_away_is_there_when_it_is_back(road: Road, start: Start, mending: Mending) -> None:
    road.link.cut("reset")
    agent, subject = start.subject()
    assert subject.deployment.artifact_sha256 == road.artifact.sha256 and agent.ask(Ping()).device_ns
    assert len(mending.said) == 1 and "trying again" in mending.said[0]


def test_a_link_that_breaks_between_two_questions_costs_an_agent(road: Road, start: Start, mending: Mending) -> None:
    assert start.has_artifact()
    road.break_it()
    agent, _ = start.subject()
    assert agent.ask(Ping()).device_ns and len(mending.said) == 1


def test_without_a_budget_it_is_asked_once(road: Road, start: Start, mending: Mending) -> None:
    road.link.cut("reset")
    start.budget = Budget(0)
    with pytest.raises(DeviceUnavailable):
        start.has_artifact()
    assert mending.said == []
