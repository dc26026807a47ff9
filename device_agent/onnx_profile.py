"""ONNX Runtime's profile: the file that its profiler writes, and the graph that ran → a time for each operator.

The file is a list of events in Chrome's trace format. An operator's is of the category "Node" and called by its node
with `_kernel_time` behind it; `model_run`, of the category "Session", ends each inference.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from device_agent.messages.profile import OperatorTime
from device_agent.onnx_nodes import OnnxGraph, read_graph
from device_agent.onnx_origins import Origin, origins

_KERNEL = "_kernel_time"
_RUN = "model_run"
# Their time has that of the nodes inside them.
_WITH_INSIDE = {"If", "Loop", "Scan"}


@dataclass(frozen=True)
class Call:
    """An operator was called: its node, its kind, and how long it took."""

    node: str
    kind: str
    duration_ns: int


def operator_times(profile: Path, ran: Path, file: Path, skipped: int) -> tuple[OperatorTime, ...]:
    """Each operator of the inferences behind the first `skipped` ones, in the order of their first call.

    Args:
        profile: what the profiler wrote.
        ran: the graph that ran, as the runtime saved it.
        file: the model.
        skipped: inferences that do not count.

    Raises `ValueError` where one of the files is not what it should be.
    """
    runs = read_runs(profile.read_text(encoding="utf-8", errors="replace"))[skipped:]
    graph = named(read_graph(ran), runs[0] if runs else ())
    found = dict(zip((node.name for node in graph.nodes), origins(graph, read_graph(file)), strict=True))
    return summed([call for run in runs for call in run], graph, found)


def read_runs(text: str) -> list[list[Call]]:
    """The calls of each inference. Raises `ValueError` for anything but the profiler's list."""
    # Each event is made small as it is read: a long profile would not fit in a small board's memory.
    events = json.loads(text, object_hook=_small)
    if not isinstance(events, list):
        raise ValueError("ONNX Runtime's profile is no list of events")
    runs, calls = list[list[Call]](), list[Call]()
    for event in events:
        if isinstance(event, Call):
            calls.append(event)
        elif event == _RUN:
            runs.append(calls)
            calls = []
    return runs


def _small(record: Mapping[str, Any]) -> Call | str | None:
    """A call; the name of another event, or the operator among an event's arguments; None of all else."""
    name = record.get("name")
    if not isinstance(name, str):
        kind = record.get("op_name")
        return kind if isinstance(kind, str) else None
    if record.get("cat") != "Node":
        return name
    if not name.endswith(_KERNEL):  # versions before 1.10 have events of fences beside it
        return None
    kind = record.get("args")
    return Call(name.removesuffix(_KERNEL), kind if isinstance(kind, str) else "", 1000 * int(record["dur"]))


def named(ran: OnnxGraph, calls: Iterable[Call]) -> OnnxGraph:
    """The graph that ran with names for nodes without one, which the profiler calls by kind and number.

    Nodes run in the file's order, so the first unnamed ones of a kind are the same in both.
    """
    known = {node.name for node in ran.nodes}
    waiting: dict[str, list[str]] = {}
    for call in calls if not _is_branched(ran) else ():  # the nodes inside a loop have names of that form, too
        if call.node not in known:
            waiting.setdefault(call.kind, []).append(call.node)
    nodes = (
        replace(node, name=waiting[node.kind].pop(0)) if not node.name and waiting.get(node.kind) else node
        for node in ran.nodes
    )
    return replace(ran, nodes=tuple(nodes))


def _is_branched(graph: OnnxGraph) -> bool:
    return any(node.kind in _WITH_INSIDE for node in graph.nodes)


def summed(calls: Iterable[Call], ran: OnnxGraph, found: Mapping[str, Origin]) -> tuple[OperatorTime, ...]:
    """All calls of an operator as one, with what its node computes.

    What runs inside a loop or a branch is in the time of that one already.
    """
    known = {node.name: place for place, node in enumerate(ran.nodes)}
    branched = _is_branched(ran)
    times: dict[str, tuple[str, int, int]] = {}
    for call in calls:
        if branched and call.node not in known:
            continue
        _, count, total_ns = times.get(call.node, (call.kind, 0, 0))
        times[call.node] = (call.kind, count + 1, total_ns + call.duration_ns)
    order = {known[name]: place for place, name in enumerate(times) if name in known}
    nothing = Origin((), ())
    return tuple(
        OperatorTime(
            name,
            kind,
            count,
            total_ns,
            found.get(name, nothing).nodes,
            tuple(order[place] for place in found.get(name, nothing).after if place in order),
        )
        for name, (kind, count, total_ns) in times.items()
    )
