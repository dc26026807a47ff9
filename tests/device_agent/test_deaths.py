"""What is said of a process that was killed: that memory ran out only where the kernel's own count says so."""

import signal

import pytest

from device_agent import oom
from device_agent.deaths import death_of

VMSTAT = "nr_free_pages 12\noom_kill_disable 7\noom_kill 21\nunevictable_pgs_culled 0\n"


@pytest.mark.parametrize(
    ("number", "ran_out", "code", "words"),
    [
        (signal.SIGKILL, True, "out_of_memory", "by the kernel, because memory ran out"),
        (signal.SIGKILL, False, "killed", "not by the kernel for want of memory"),
        (signal.SIGKILL, None, "killed", "was killed (SIGKILL)"),
        (signal.SIGSEGV, True, "crashed", "crashed inside a library"),
        (signal.SIGILL, None, "illegal_instruction", "instruction"),
    ],
)
def test_what_a_signal_means(number: int, ran_out: bool | None, code: str, words: str) -> None:
    death = death_of(128 + number, ran_out)
    assert death is not None and death.code == code and words in death.what and death.remedy


@pytest.mark.parametrize("exit_code", [0, 1, 75, 128 + signal.SIGTERM, 255])
def test_what_ends_by_itself_or_is_asked_to_is_no_death(exit_code: int) -> None:
    assert death_of(exit_code, True) is None


def test_the_kernels_count() -> None:
    assert oom.kills_in(VMSTAT) == 21
    assert oom.kills_in("nr_free_pages 12\n") is None
    assert (oom.more(21, 22), oom.more(21, 21), oom.more(None, 21), oom.more(21, None)) == (True, False, None, None)
