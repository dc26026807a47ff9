"""A meter that goes and comes back, as a recorder sees it."""

import time
from collections.abc import Sequence

import pytest

from power.errors import MeterProtocolError, MeterUnreachable
from power.meters.base import Measurement
from power.meters.reconnecting import ReconnectingMeter
from power.trace import MeterFacts

GONE = MeterUnreachable("The meter is gone.", "Plug it in.")
GARBAGE = MeterProtocolError("That is no packet.", "Ask again.")


class ScriptedMeter:
    """Answers with the scripted currents, then raises what ends the script."""

    def __init__(self, script: Sequence[float | Exception], port: str = "here", meter: str = "scripted") -> None:
        self.facts = MeterFacts(meter, "none", port, True, 1, "current", 0.1)
        self.closed = False
        self._script = iter(script)

    def read(self) -> tuple[Measurement, ...]:
        step = next(self._script)
        if isinstance(step, Exception):
            raise step
        return (Measurement(time.monotonic(), 5.0, step, (round(step),)),)

    def close(self) -> None:
        self.closed = True

    def __enter__(self) -> "ScriptedMeter":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def plugged(*meters: ScriptedMeter | Exception):
    """An opener that finds each of these in turn."""
    turns = iter(meters)

    def open_meter() -> ScriptedMeter:
        found = next(turns)
        if isinstance(found, Exception):
            raise found
        return found

    return open_meter


def currents(reply: tuple[Measurement, ...]) -> list[float]:
    return [measurement.current_a for measurement in reply]


@pytest.mark.parametrize("problem", [GONE, GARBAGE])
def test_replies_are_empty_while_it_is_gone_and_go_on_when_it_is_back(problem) -> None:
    first, second = ScriptedMeter([1.0, problem]), ScriptedMeter([2.0, 3.0], port="another port")
    with ReconnectingMeter(plugged(first, GONE, second)) as meter:
        assert currents(meter.read()) == [1.0]
        assert meter.read() == () and meter.missing_s > 0
        assert first.closed
        assert meter.read() == ()
        assert [currents(meter.read()), currents(meter.read())] == [[2.0], [3.0]]
        assert meter.missing_s == 0
    assert second.closed


def test_patience_has_an_end_and_the_first_problem_is_told() -> None:
    later = MeterUnreachable("There is no such port.", "Look.")
    with ReconnectingMeter(plugged(ScriptedMeter([1.0, GONE]), later, later), patience_s=0.2) as meter:
        meter.read()
        assert meter.read() == ()
        with pytest.raises(MeterUnreachable, match="is gone"):
            while meter.read() == ():
                pass


def test_a_meter_that_never_answered_is_not_waited_for() -> None:
    with ReconnectingMeter(plugged(ScriptedMeter([GONE])), patience_s=60) as meter, pytest.raises(MeterUnreachable):
        meter.read()
    with pytest.raises(MeterUnreachable):
        ReconnectingMeter(plugged(GONE))


def test_another_meter_does_not_go_on_with_the_recording() -> None:
    stranger = ScriptedMeter([9.0], meter="another")
    with ReconnectingMeter(plugged(ScriptedMeter([1.0, GONE]), stranger), patience_s=60) as meter:
        meter.read()
        assert [meter.read(), meter.read()] == [(), ()]
        assert stranger.closed
