"""The lines of a log: what they keep, how few they are, and what of them is read again."""

import hashlib
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groupnl_deploy.training.history import (
    MOST_STEPS,
    EpochLine,
    Head,
    StepLine,
    as_json,
    as_table,
    before,
    head_of,
    lines_of,
    log_files,
)

number = st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True))
seconds = st.floats(0, 1e9)
count = st.integers(1, 10**7)
steps = st.builds(StepLine, count, count, count, number, number, number, seconds)
epochs = st.builds(EpochLine, count, number, number, number, number, number, seconds)
heads = st.builds(Head, st.sampled_from(["net", "über ω\n\x00\ud800"]), st.just("job"), count, count, count)


@given(st.one_of(heads, steps, epochs))
def test_a_line_is_json_without_nan_and_its_own_text_again(line) -> None:
    text = as_json(line)
    json.loads(text, parse_constant=pytest.fail)
    (again,) = lines_of(text.encode())
    assert as_json(again) == text and text.isascii()


@given(st.integers(1, 2_000), st.integers(1, 50_000))
def test_a_log_has_few_lines_and_always_an_epochs_last_step(epochs: int, steps: int) -> None:
    head = Head.of("net", "job", epochs, steps)
    lines = epochs * sum(map(head.has_line, range(1, steps + 1)))
    assert lines <= MOST_STEPS + epochs and head.has_line(steps)
    assert lines == epochs * steps or head.every > 1


def test_three_hundred_epochs_of_imagenet_are_a_few_megabytes() -> None:
    head = Head.of("resnet101", "0" * 64, 300, 10_010)
    lines = 300 * sum(map(head.has_line, range(1, 10_011)))
    longest = len(as_json(StepLine(300, 10_010, 1_281_167, math.pi * 1e-7, math.pi * 1e-7, 12345.678, 12345.678)))
    assert lines * longest < 4e6


def test_what_was_cut_off_or_is_no_line_is_left_out() -> None:
    head, first, second = Head("net", "job", 2, 1, 1), epoch(1), epoch(2)
    text = "".join(map(as_json, (head, first, second))).encode()
    assert lines_of(text) == (head, first, second)
    assert lines_of(text[:-9]) == (head, first)
    for torn in (
        b'{"kind": "epoch"}\n',
        b"[1]\n",
        b"\x00\x00\n",
        b'{"kind": [], "epoch": 1}\n',
        b'{"kind": "step", "epoch',
    ):
        assert lines_of(as_json(first).encode() + torn) == (first,)
    assert head_of((head,)) == head and head_of((first,)) is None and head_of(()) is None


def test_what_lies_before_a_step_is_kept() -> None:
    lines = [Head("net", "job", 2, 2, 1), step(1, 1), step(1, 2), epoch(1), step(2, 1), step(2, 2), epoch(2)]
    assert before(lines, 1, 1) == ()
    assert before(lines, 2, 1) == (step(1, 1), step(1, 2), epoch(1))
    assert before(lines, 2, 2) == (step(1, 1), step(1, 2), epoch(1), step(2, 1))


def test_a_table_and_the_digests_of_the_files() -> None:
    files = log_files([Head("net", "job", 1, 1, 1), step(1, 1), EpochLine(1, 2.5, None, 0.5, 0.1, None, 3.0)])
    assert files["log.csv"].decode().splitlines() == [
        "epoch,train_loss,test_loss,test_accuracy,rate,images_per_s,seconds",
        "1,2.5,,0.5,0.1,,3.0",
    ]
    assert as_table([]).count("\n") == 1
    for line in files["log.sha256"].decode().splitlines():
        digest, name = line.split("  ")
        assert hashlib.sha256(files[name]).hexdigest() == digest


def step(epoch: int, number: int) -> StepLine:
    return StepLine(epoch, number, 10 * number, 1.5, 0.1, 100.0, 0.5)


def epoch(number: int) -> EpochLine:
    return EpochLine(number, 1.5, 1.4, 0.5, 0.1, 100.0, 0.5)
