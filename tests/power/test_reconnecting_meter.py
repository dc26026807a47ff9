"""A meter that goes and comes back, as a recorder sees it."""

import time
from collections.abc import Sequence

import pytest

from power.errors import AnotherMeter, MeterProtocolError, MeterUnreachable
from power.meters.base import Measurement
from power.meters.reconnecting import ReconnectingMeter
from power.trace import MeterFacts

GONE = MeterUnreachable("The meter is gone.", "Plug it in.")
GARBAGE = MeterProtocolError("That is no packet.", "Ask again.")


class ScriptedMeter:
    """Answers with the scripted currents, then raises what ends the script."""

    def __init__(
        self,
        script: Sequence[float | Exception],
        port: str = "here",
        meter: str = "scripted",
        serial_number: str | None = None,
    ) -> None:
        self.facts = MeterFacts(meter, "none", port, True, 1, "current", 0.1)
        self.serial_number = serial_number
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
        assert meter.read() == () and meter.missing_s > 0 and meter.problem is problem
        assert first.closed
        assert meter.read() == ()
        assert [currents(meter.read()), currents(meter.read())] == [[2.0], [3.0]]
        assert meter.missing_s == 0 and meter.problem is None
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


@pytest.mark.parametrize("difference", [{"meter": "another"}, {"serial_number": "007966"}], ids=["kind", "number"])
def test_another_meter_is_never_read_and_does_not_go_on_with_the_recording(difference: dict[str, str]) -> None:
    stranger, first = ScriptedMeter([], **difference), ScriptedMeter([1.0, GONE], serial_number="007965")
    with ReconnectingMeter(plugged(first, stranger), patience_s=60) as meter:
        meter.read()
        assert [meter.read(), meter.read()] == [(), ()]  # its script is empty: to read it would end this test
        assert stranger.closed


def test_patience_with_another_meter_ends_in_words_that_name_both() -> None:
    first = ScriptedMeter([1.0, GONE], serial_number="007965")
    strangers = (ScriptedMeter([], serial_number="007966") for _ in range(9))
    with ReconnectingMeter(plugged(first, *strangers), patience_s=0.2) as meter:
        meter.read()
        with pytest.raises(
            AnotherMeter, match=r"on here: .* is 007966, and that of the one before is 007965\."
        ) as caught:
            while meter.read() == ():
                pass
    assert caught.value.remedy == "Plug in the meter that the recording began with."


def test_the_first_meter_goes_on_though_another_was_tried_in_between() -> None:
    first, again = (ScriptedMeter(script, serial_number="007965") for script in ([1.0, GONE], [2.0]))
    with ReconnectingMeter(plugged(first, ScriptedMeter([], serial_number="007966"), again)) as meter:
        assert [currents(meter.read()) for _ in range(4)] == [[1.0], [], [], [2.0]]


def test_a_number_that_nobody_told_at_first_counts_once_it_is_told() -> None:
    unknown, known = ScriptedMeter([1.0, GONE]), ScriptedMeter([2.0, GONE], serial_number="007965")
    stranger = ScriptedMeter([], serial_number="007966")
    with ReconnectingMeter(plugged(unknown, known, ScriptedMeter([3.0, GONE]), stranger)) as meter:
        told = [(currents(meter.read()), meter.serial_number) for _ in range(7)]
    assert told[0] == ([1.0], None)
    assert told[2:] == [([2.0], "007965"), ([], "007965"), ([3.0], "007965"), ([], "007965"), ([], "007965")]
