"""What is asked of benchmarks whose link was lost: how they are, their results, their end."""

from collections.abc import Callable
from pathlib import Path

from device_agent import running, spool
from device_agent.messages.spool import AskBench, BenchFetched, BenchState, BenchStates
from device_agent.wire import Message, decode


class Benches:
    """All benchmarks of one root: those that run, and those that lie in its spool."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def all(self) -> BenchStates:
        """The oldest first, those that run last."""
        now = running.running(self._root)  # first: what ends meanwhile is in the spool by then
        lying = spool.states(self._root)
        there = {state.bench_id for state in lying}
        return BenchStates((*lying, *(state for state in now if state.bench_id not in there)))

    def ask(self, request: AskBench) -> BenchState:
        """How one is. Whoever carries it out is told first, with `reclaim`, that its link is lost."""
        if request.reclaim:
            running.hang_up(request.bench_id)
        running.end_frozen(request.bench_id)
        found = (state for state in self.all().benches if state.bench_id == request.bench_id)
        return next(found, BenchState(request.bench_id, "unknown"))

    def fetch(self, bench_id: str, send: Callable[[Message], None]) -> BenchFetched:
        """Send its messages, and then what else there is of it. Raises an `AgentError` where it lies not here."""
        bench, lines = spool.read(self._root, bench_id)
        for line in lines:
            send(decode(line))
        return BenchFetched(bench.request, bench.frame, bench.fault, bench.age_s)

    def forget(self, bench_id: str) -> None:
        """Drop its result."""
        spool.forget(self._root, bench_id)

    def stop(self, bench_id: str) -> None:
        """End it where it runs, and remove its result."""
        running.end(bench_id)
        spool.forget(self._root, bench_id)
