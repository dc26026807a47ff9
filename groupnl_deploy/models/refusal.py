"""How a specification is refused: the error, and the checks that raise it."""

import math

Range = tuple[float, float]


class InvalidSpec(ValueError):
    """A number or word in a spec, or a combination of them, describes no network.

    As text it is both sentences in one, for whoever quotes it inside another.

    Args:
        problem: what is wrong; no capital and no full stop, because the name of a layer or a field may come first.
        remedy: what to do, as a sentence.
        fields: the words of both that are names of fields; whoever has other names for them can say those.
    """

    def __init__(self, problem: str, remedy: str, *fields: str) -> None:
        super().__init__(f"{problem}; {remedy[0].lower()}{remedy[1:].rstrip('.')}")
        self.problem, self.remedy, self.fields = problem, remedy, fields


def require_choice(name: str, value: object, choices: tuple[object, ...]) -> None:
    """Raise `InvalidSpec` for a value of the field `name` that is none of these."""
    if value not in choices:
        raise InvalidSpec(f"{name} is {value!r}", f"Give one of {', '.join(map(repr, choices))}.", name)


def require_positive(name: str, value: object) -> None:
    """Raise `InvalidSpec` for a value of the field `name` that is no whole number from 1."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InvalidSpec(f"{name} is {value!r}", "Give a whole number of at least 1.", name)


def require_range(name: str, value: Range) -> None:
    """Raise `InvalidSpec` for a value of the field `name` that is not two finite numbers in order."""
    if len(value) != 2 or not all(map(math.isfinite, value)) or value[0] > value[1]:
        raise InvalidSpec(f"{name} is {value!r}", "Give two finite numbers, the smaller one first.", name)
