"""How the board is just now: its clock, memory, supply, heat and governor. Pure."""

from collections.abc import Iterator

from device_agent.messages.board import SINCE_BOOT, throttled_by
from device_agent.sizes import size_text
from groupnl_deploy.deploy.examined import Examined, Finding

_DAY_S = 86_400.0
_CLOCK_S = 120.0  # what time servers and two people's watches are apart never is so much
_LITTLE_MEMORY_BYTES = 300_000_000  # a benchmark takes 75 to 260 MB (README)
_HOT_C = 75.0  # from 80 °C the firmware slows the cores down
_STEADY = "performance"


def clock(found: Examined) -> Iterator[Finding]:
    """The date there against the date here."""
    off_s = abs(found.ahead_s)
    if off_s < _CLOCK_S:
        yield Finding("fine", "its clock is right")
        return
    which = "ahead of" if found.ahead_s > 0 else "behind"
    yield Finding(
        "error" if off_s > _DAY_S else "warning",
        f"its clock is {_duration(off_s)} {which} this machine's, so certificates do not hold there and ages of files "
        "are wrong",
        "Connect it to a network with a time server (`timedatectl` shows whether it found one), or set it by hand: "
        "`ssh … sudo date -s @$(date +%s)`",
    )


def memory(found: Examined) -> Iterator[Finding]:
    """What is free for a benchmark."""
    free, total = found.readiness.board.memory_available_bytes, found.readiness.board.memory_total_bytes
    if free is None:
        return
    of = "" if total is None else f" of {size_text(total)}"
    if free < _LITTLE_MEMORY_BYTES:
        yield Finding(
            "warning",
            f"{size_text(free)}{of} of memory are available, and a benchmark takes up to 260 MB",
            "Close what runs there: `ps -eo rss,args --sort=-rss | head` names the largest",
        )
    else:
        yield Finding("fine", f"{size_text(free)}{of} of memory available")


def power(found: Examined) -> Iterator[Finding]:
    """The firmware's word on the supply and on throttling; other boards than a Raspberry Pi have none."""
    word = found.readiness.board.throttled
    if word is None:
        return
    now, before = throttled_by(word), throttled_by(word >> SINCE_BOOT)
    stronger = "Use the supply that is made for the board, a short thick cable, and a heat sink or fan"
    if now:
        what = f"just now the board reports {', '.join(now)} (get_throttled {word:#x}): a benchmark is invalid so"
        yield Finding("error", what, stronger)
    earlier = [what for what in before if what not in now]
    if earlier:
        what = f"since it was started the board has had {', '.join(earlier)} (get_throttled {word:#x})"
        yield Finding("warning", what, f"{stronger}; `sudo reboot` forgets what was")
    if not now and not earlier:
        yield Finding("fine", "no under-voltage and no throttling since it was started")


def temperature(found: Examined) -> Iterator[Finding]:
    """How far it is from slowing down."""
    degrees = found.readiness.board.temperature_c
    if degrees is None:
        return
    if degrees < _HOT_C:
        yield Finding("fine", f"{degrees:.0f} °C")
    else:
        yield Finding(
            "warning",
            f"the board is at {degrees:.0f} °C, and slows down from 80 °C",
            "Let it cool, and give it a heat sink or a fan",
        )


def governor(found: Examined) -> Iterator[Finding]:
    """Whether the clock is steady."""
    word = found.readiness.board.governor
    if word is None:
        return
    if word == _STEADY:
        yield Finding("fine", f"the governor is {word}")
    else:
        yield Finding(
            "note",
            f"the governor is {word}: the clock follows the load, so the first inferences of a benchmark are slower",
            f"On the device, until it restarts: `echo {_STEADY} | sudo tee "
            "/sys/devices/system/cpu/cpu*/cpufreq/scaling_governor`",
        )


def _duration(seconds: float) -> str:
    for unit, length in (("years", 365.25 * _DAY_S), ("days", _DAY_S), ("hours", 3600.0)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds / 60:.0f} minutes"
