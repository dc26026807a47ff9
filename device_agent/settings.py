"""How a benchmark runs: the runtime's settings and the workload.

One object in options, campaign files, requests and results. Every default stands here, once. Standard library only.
"""

import difflib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, get_args

GraphLevel = Literal["none", "basic", "extended", "all"]

_LONGEST_S = 86_400.0
_MOST_THREADS = 1024
_MOST_ITERATIONS = 1_000_000
_COLDEST_C, _HOTTEST_C = 0.0, 120.0


class SettingError(ValueError):
    """A setting has a value that no benchmark can have.

    `problem` and `remedy` are one sentence each. Both may call a field `{field}`: whoever shows them has other names
    for the fields (options, keys of a file) and gets the sentences with those from `worded`. Everywhere else a field
    has its own name.
    """

    def __init__(self, problem: str, remedy: str, *fields: str) -> None:
        self.fields, self._sentences = fields, (problem, remedy)
        self.problem, self.remedy = self.worded(str)
        super().__init__(f"{self.problem.rstrip('.')}; {self.remedy[0].lower()}{self.remedy[1:].rstrip('.')}")

    def worded(self, name: Callable[[str], str]) -> tuple[str, str]:
        """Problem and remedy, with what `name` calls each field."""
        problem, remedy = self._sentences
        for one in self.fields:
            problem, remedy = (text.replace(f"{{{one}}}", name(one)) for text in (problem, remedy))
        return problem, remedy


@dataclass(frozen=True)
class Workload:
    """How much work a benchmark does: first idle, then the warm-up, then the steady window, then idle again.

    The window has at least `min_iterations` inferences and lasts at least `min_seconds`. `images` is how many test
    images are sent at most; 0 means all there are. Before all that the board cools down to `cool_to_c` degrees
    Celsius, if that is asked for, for at most `cool_within_s`.
    """

    images: int = 100
    idle_s: float = 10.0
    warmup_s: float = 2.0
    min_iterations: int = 100
    min_seconds: float = 30.0
    cool_to_c: float | None = None
    cool_within_s: float = 600.0

    def __post_init__(self) -> None:
        for name in ("idle_s", "warmup_s", "min_seconds", "cool_within_s"):
            _require_seconds(name, getattr(self, name))
        if self.cool_to_c is not None and not _COLDEST_C <= self.cool_to_c <= _HOTTEST_C:
            raise SettingError(
                f"{{cool_to_c}} is {self.cool_to_c:g} °C, which is not between {_COLDEST_C:g} and {_HOTTEST_C:g} °C.",
                "Give a temperature that the board reaches at rest, such as 50.",
                "cool_to_c",
            )
        _require_count("min_iterations", self.min_iterations, 1, _MOST_ITERATIONS)
        if self.images < 0:
            raise SettingError("A benchmark needs at least one image.", "Raise {images}, or give 0 for all.", "images")


@dataclass(frozen=True)
class Settings:
    """How the runtime is set up, and the workload. Which settings a backend reads is in `backend_table.BACKENDS`.

    Args:
        threads: of one inference; 0 means every core of the device.
        spinning: whether threads that wait for work keep a core busy meanwhile, which is faster and takes more power.
        arena: whether the runtime keeps freed memory for the next tensor and plans it ahead.
        graph_level: which optimisations the runtime applies to the graph when it loads the model.
        workload: what is done.
    """

    threads: int = 0
    spinning: bool = True
    arena: bool = True
    graph_level: GraphLevel = "all"
    workload: Workload = field(default_factory=Workload)

    def __post_init__(self) -> None:
        _require_count("threads", self.threads, 0, _MOST_THREADS)
        known = get_args(GraphLevel)
        if self.graph_level not in known:
            nearest = difflib.get_close_matches(str(self.graph_level), known, n=1)
            raise SettingError(
                f"{{graph_level}} is “{self.graph_level}”; known are {', '.join(known)}.",
                f"Did you mean “{nearest[0]}”?" if nearest else "Choose one of these.",
                "graph_level",
            )


def _require_seconds(name: str, seconds: float) -> None:
    if not 0 <= seconds <= _LONGEST_S:  # NaN is in no range
        raise SettingError(
            f"{{{name}}} is {seconds:g} s, which is not between 0 s and a day.", "Give seconds, such as 10.", name
        )


def _require_count(name: str, number: int, least: int, most: int) -> None:
    if not least <= number <= most:
        raise SettingError(
            f"{{{name}}} is {number:,}, which is not between {least} and {most:,}.",
            "Choose a number in this range.",
            name,
        )
