"""How fast a training is said to go, by a clock of the test's own."""

import pytest

from groupnl_deploy.training.pace import Pace
from groupnl_deploy.training.run import TrainProgress


def run(epochs: int, steps: int, until: int, compile_s: float = 0.0, evaluate_s: float = 0.0) -> Pace:
    """So many steps of two seconds and eight images; what is compiled once, and evaluated behind each epoch."""
    now = [100.0]
    pace = Pace(lambda: now[0])
    for number in range(until):
        epoch, step = divmod(number, steps)
        last = step + 1 == steps
        now[0] += 2.0 + (compile_s if number == 0 else 0.0) + (evaluate_s if last else 0.0)
        took = pace.step(
            TrainProgress(epoch + 1, epochs, step + 1, steps, 1.0, 0.1, 8 * (step + 1), 0.5 if last else None)
        )
        assert took == (0.0 if number == 0 else pytest.approx(2.0 + (evaluate_s if last else 0.0)))
    return pace


def test_nothing_is_said_before_it_is_known() -> None:
    assert (run(3, 5, 1).images_per_s, run(3, 5, 1).left_s) == (None, None)
    assert (run(3, 5, 0).images_per_s, run(3, 5, 0).left_s) == (None, None)


def test_neither_compiling_nor_evaluating_makes_a_step_slow() -> None:
    assert run(3, 5, 7, compile_s=90.0, evaluate_s=30.0).images_per_s == pytest.approx(4.0)


def test_what_is_left_has_the_evaluations_in_it() -> None:
    assert run(3, 5, 4).left_s == pytest.approx(11 * 2.0)
    assert run(3, 5, 5, evaluate_s=30.0).left_s == pytest.approx(10 * 2.0 + 2 * 30.0)
    assert run(3, 5, 13, evaluate_s=30.0).left_s == pytest.approx(2 * 2.0 + 30.0)
    assert run(3, 5, 15, evaluate_s=30.0).left_s == 0.0
