"""A profile: what each operator of the model took, by the runtime's own profiler.

It is made behind everything that is measured, with the model loaded once more: a profiler slows what it watches.
"""

from dataclasses import dataclass

from device_agent.wire import Message


@dataclass(frozen=True)
class OperatorTime:
    """One operator, all of its calls together.

    Args:
        name: of the node in the graph that ran; for PyTorch the module and the operator.
        kind: the operator, such as "Conv" or "aten::add_".
        calls: in all runs.
        total_ns: of all calls. ONNX Runtime counts each in whole microseconds, cut off.
        origins: the nodes of the model's file that it computes, its last one first, those without a name by their
            value's; for PyTorch the innermost module that called it. None where the runtime put it in.
        after: places, in the same list, of the operators whose values it reads.
    """

    name: str
    kind: str
    calls: int
    total_ns: int
    origins: tuple[str, ...] = ()
    after: tuple[int, ...] = ()


@dataclass(frozen=True)
class Profiled(Message):
    """Some inferences under the profiler: how long each took as a whole, and the operators in the order of their first
    call. Where there could be no profile, `problem` says why, and both are empty.
    """

    latencies_ns: tuple[int, ...]
    operators: tuple[OperatorTime, ...]
    problem: str | None = None
