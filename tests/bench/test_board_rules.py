"""Each rule about the board and the answers: the nearest case that is sound, and the nearest that is not."""

import base64
import dataclasses
from typing import Any

import numpy as np
import pytest

from device_agent.manifest import Golden
from device_agent.messages.bench import PHASES, MemoryUse, Outputs, OutputValues, PhaseSpan
from device_agent.messages.board import BoardFacts, BoardState
from device_agent.settings import Settings, Workload
from device_agent.strict import to_json
from groupnl_deploy.bench.agreement import Agreement, agreement_of
from groupnl_deploy.bench.answer_rules import answer_checks
from groupnl_deploy.bench.board_rules import board_checks, temperature_at_start
from groupnl_deploy.bench.check import Check
from groupnl_deploy.bench.result import BenchResult
from groupnl_deploy.bench.run import BenchRun
from groupnl_deploy.bench.steadiness import enough
from tests.bench.made_runs import DIGEST, made_run

FACTS = BoardFacts("Raspberry Pi 4", "aarch64", "Debian", "6", "3.11", 4, 1, 1, 1, "ondemand", 1.5e9, 50.0, 0)
BOARD = dataclasses.replace(FACTS, clock_target_hz=1.5e9)
MEMORY = MemoryUse(2, 1, 3, 0, 0)
STATE = BoardState(0, (1.5e9, 0.6e9), "ondemand", 50.0, 0, False, 5.1, 0.5, 0.0)
SECOND = 1_000_000_000


def made(states: dict[int, dict[str, Any]] | None = None, memory: MemoryUse = MEMORY, **changes: Any) -> BenchRun:
    """Eight phases of 100 s, with a state each second; `states` has what differs in some seconds of the run."""
    spans = [
        PhaseSpan(phase, 100 * number * SECOND, 100 * (number + 1) * SECOND, None, memory)
        for number, phase in enumerate(PHASES)
    ]
    given = states or {}
    seconds = [dataclasses.replace(STATE, at_ns=at * SECOND, **given.get(at, {})) for at in range(1, 800)]
    whole = BenchResult(
        manifest_sha256=DIGEST,
        agent_sha256=DIGEST,
        backend="onnxruntime",
        settings=Settings(4),
        versions={},
        phases=tuple(spans),
        first_inference_ns=1,
        latencies_ns=(10_000_000,) * 1000,
        predictions=(1,),
        memory_start=MEMORY,
        board_before=BOARD,
        board_after=BOARD,
        providers=("CPUExecutionProvider",),
        states=tuple(seconds),
    )
    return made_run(dataclasses.replace(whole, **changes), trained=True, warmup_s=2.0)


def verdicts(run: BenchRun) -> dict[str, Check]:
    found = (enough(len(run.result.latencies_ns)), *board_checks(run.result), *answer_checks(run))
    return {check.rule: check for check in found}


def invalid(run: BenchRun) -> list[str]:
    return [rule for rule, check in verdicts(run).items() if check.verdict == "invalid"]


# The steady window is from 500 to 600 s, with 101 readings.
@pytest.mark.parametrize(
    ("run", "rules"),
    [
        (made(), []),
        (made({300: {"throttled": 0x1}}), ["under-voltage"]),
        (made({300: {"throttled": 0x40000}}), ["throttling"]),  # since the last reading, though not at any
        (made(board_before=dataclasses.replace(BOARD, throttled=0x50000)), []),  # long before
        (made({700: {"low_voltage": True}}), ["low voltage"]),
        (made({550: {"clocks_hz": (0.6e9, 1.4e9)}}), []),  # one in a hundred
        (made({550: {"clocks_hz": (1.4e9,)}, 551: {"clocks_hz": (1.42e9,)}}), ["clock off target"]),
        (made({550: {"clocks_hz": (1.43e9,)}, 551: {"clocks_hz": (1.43e9,)}}), []),
        (made({at: {"clocks_hz": (0.6e9,)} for at in range(1, 490)}), []),  # before the window
        (made(memory=dataclasses.replace(MEMORY, swap_bytes=4096)), ["swap"]),
        (made(memory=dataclasses.replace(MEMORY, swapped_bytes=4096)), ["swap"]),
        (made(latencies_ns=(1,) * 99), ["inferences"]),
        (made(providers=("XnnpackExecutionProvider", "CPUExecutionProvider")), ["execution provider"]),
    ],
)
def test_a_rule_is_broken_by_what_it_is_for_alone(run: BenchRun, rules: list[str]) -> None:
    assert invalid(run) == rules
    for check in verdicts(run).values():
        assert (check.says is None) == (check.verdict == "sound")


@pytest.mark.parametrize(("at_start_c", "sound"), [(50.9, True), (51.1, False)])
def test_a_board_that_was_to_be_cool_and_was_not(at_start_c: float, sound: bool) -> None:
    settings = Settings(4, workload=Workload(cool_to_c=50.0))
    run = made({1: {"temperature_c": at_start_c}}, settings=settings)
    assert invalid(run) == ([] if sound else ["temperature at the start"])
    assert "temperature at the start" not in verdicts(made({1: {"temperature_c": 80.0}}))  # nobody asked for it


def test_what_a_board_did_while_it_cooled_down_spoils_nothing_and_is_not_its_temperature_at_the_start() -> None:
    hot = {"throttled": 0x40004, "low_voltage": True, "temperature_c": 81.0}
    run = made(dict.fromkeys(range(1, 300), hot), settings=Settings(4, workload=Workload(cool_to_c=50.0)))
    since_boot = {at: {"throttled": 0x40000} for at in range(300, 800)}
    states = [dataclasses.replace(one, **since_boot.get(one.at_ns // SECOND, {})) for one in run.result.states]
    spans = tuple(
        PhaseSpan(span.phase, 300 * SECOND + span.start_ns // 2, 300 * SECOND + span.end_ns // 2, None, MEMORY)
        for span in run.result.phases
    )
    later = dataclasses.replace(BOARD, throttled=0x40000)
    result = dataclasses.replace(run.result, states=tuple(states), phases=spans, board_after=later)
    assert invalid(dataclasses.replace(run, result=result)) == []
    assert temperature_at_start(result) == 50.0
    worse = dataclasses.replace(result, board_after=dataclasses.replace(BOARD, throttled=0x50000))
    assert invalid(dataclasses.replace(run, result=worse)) == ["under-voltage"]


def test_a_board_that_tells_nothing_is_not_judged_by_what_it_does_not_tell() -> None:
    silent = BoardFacts(None, "x86_64", "Debian", "6", "3.11", 2, 1, 1, 1, None, None, None, None)
    state = BoardState(550 * SECOND, (), None, None, None, None, None, None, None)
    nothing = MemoryUse(1, None, None, None)
    run = made(memory=nothing, board_before=silent, board_after=silent, providers=())
    run = dataclasses.replace(run, result=dataclasses.replace(run.result, states=(state,)))
    assert list(verdicts(run)) == ["inferences"]


MANIFEST = dataclasses.replace(made().manifest, golden=Golden((0.1,), tie=0.05))
RIGHT = {"logits": np.array([[0.0, 1.0] + [0.0] * 8])}


def answered(*numbers: float, dtype: str = "<f4") -> Outputs:
    array = np.array([[*numbers, *[0.0] * 8]], dtype)
    return Outputs((OutputValues("logits", "float32", array.shape, base64.b64encode(array.tobytes()).decode()),))


def test_the_worst_image_counts_and_ties_may_change_places() -> None:
    near, tie, other = answered(0.0, 1.05), answered(0.96, 0.96), answered(1.2, 1.0)
    found = agreement_of([near], [RIGHT], MANIFEST)
    assert found == Agreement(1, "logits", pytest.approx(0.05), 0.1, "max", 1) and found.holds
    right = {"logits": np.array([[0.97, 1.0] + [0.0] * 8])}
    assert agreement_of([tie, near], [right, RIGHT], MANIFEST) == Agreement(
        2, "logits", pytest.approx(0.05), 0.1, "max", 2
    )
    found = agreement_of([near, other], [RIGHT, RIGHT], MANIFEST)
    assert found == Agreement(2, "logits", pytest.approx(1.2), 0.1, "max", 1) and not found.holds
    for number in (float("nan"), float("inf")):  # which no JSON has
        found = agreement_of([answered(number, 1.0), near], [RIGHT] * 2, MANIFEST)
        assert found.error is None and not found.holds
        (check,) = answer_checks(dataclasses.replace(made(providers=()), agreement=found))
        assert "infinitely far" in check.says and check.value is None and "null" in to_json(check)


def test_without_answers_or_allowance_there_is_no_agreement() -> None:
    assert agreement_of([], [RIGHT], MANIFEST) is None
    assert agreement_of([answered(0.0, 1.0)], [], MANIFEST) is None
    assert agreement_of([answered(0.0, 1.0)], [RIGHT], dataclasses.replace(MANIFEST, golden=None)) is None
    assert agreement_of([answered(0.0, 1.0)], [{"logits": RIGHT["logits"][:, :3]}], MANIFEST) is None


def test_wrong_answers_make_a_run_invalid_and_a_made_up_one_is_not_asked() -> None:
    wrong = Agreement(100, "logits", 0.2, 0.1, "max", 97)
    run = dataclasses.replace(made(), agreement=wrong)
    (check,) = [check for check in answer_checks(run) if check.rule == "answers"]
    assert check.verdict == "invalid" and "3 of 100 images are taken for another class" in check.says
    assert invalid(dataclasses.replace(run, agreement=Agreement(100, "logits", 0.1, 0.1, "max", 100))) == []
    assert invalid(dataclasses.replace(made(backend="null"), agreement=wrong)) == []
