"""OpenVINO's profile: its counters and the graph that it made of a model → a time for each operator. Pure.

A counter tells the mean of all calls since the model was loaded; so two of its states tell the calls between them.
Where that is less than a microsecond, or the operator is never executed, it tells nothing. An operator of the graph
names the nodes that were fused into it, in their order: nodes of the file, and some of its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from device_agent.messages.profile import OperatorTime
from device_agent.onnx_nodes import OnnxGraph


@dataclass(frozen=True)
class Step:
    """An operator of the graph that ran: its name, the names of what was fused into it, the operators it reads from."""

    name: str
    made_of: tuple[str, ...]
    sources: tuple[str, ...]


@dataclass(frozen=True)
class Counted:
    """What the counters say behind `runs` inferences: the kind and the mean microseconds of a call, by the operators'
    names.
    """

    runs: int
    means_us: Mapping[str, tuple[str, int]]


def operator_times(steps: Sequence[Step], before: Counted, after: Counted, file: OnnxGraph) -> tuple[OperatorTime, ...]:
    """Each operator that took time in the inferences between `before` and `after`, in the order of `steps`.

    Raises `ValueError` where one of them is not in the graph.
    """
    counted = [step for step in steps if step.name in after.means_us]
    if len(counted) != len(after.means_us):
        raise ValueError("OpenVINO's counters are of other operators than its graph has")
    places = {step.name: place for place, step in enumerate(counted)}
    named = _names(file)
    made_of = {step.name: step.made_of for step in steps}
    reads = {step.name: step.sources for step in steps}
    return tuple(
        OperatorTime(
            name,
            after.means_us[name][0],
            after.runs - before.runs,
            1000 * max(0, _total_us(after, name) - _total_us(before, name)),
            tuple(dict.fromkeys(named[part] for part in map(_plain, reversed(made_of[name])) if part in named)),
            tuple(places[source] for source in _counted_before(name, reads, places)),
        )
        for name in places
    )


def _names(file: OnnxGraph) -> dict[str, str]:
    """What a node is called in a profile, by its own name and by those of its values."""
    called = {value: node.name or node.outputs[0] for node in file.nodes for value in node.outputs if value}
    return called | {node.name: node.name for node in file.nodes if node.name}


def _plain(part: str) -> str:
    """OpenVINO takes the bias from a convolution, and calls what is left by another name."""
    return part.removesuffix("/WithoutBiases")


def _total_us(counted: Counted, name: str) -> int:
    return counted.runs * counted.means_us.get(name, ("", 0))[1]


def _counted_before(name: str, reads: Mapping[str, Sequence[str]], places: Mapping[str, int]) -> list[str]:
    """The operators that one reads from, past those that take no time, such as views of memory in another shape."""
    found, seen = list[str](), list(reads[name])
    for source in seen:  # grows on the way
        if source in places:
            found.append(source)
        else:
            seen += [one for one in reads.get(source, ()) if one not in seen]
    return list(dict.fromkeys(found))
