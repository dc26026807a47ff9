"""A device behind a link that can be broken, with an artifact on it; the fixture is in conftest.py."""

import contextlib
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest

from device_agent import running
from device_agent.messages.bench import PhaseMark
from device_agent.messages.ledger import ReadLedger
from device_agent.settings import Settings, Workload
from exporters.artifact import Artifact
from groupnl_deploy.bench.bench_device import bench_device
from groupnl_deploy.bench.meter import MeterPlan
from groupnl_deploy.bench.reconnect import WayBack
from groupnl_deploy.bench.run import BenchRun, Images, load_run, save_run
from groupnl_deploy.bench.session import Subject, run_session
from groupnl_deploy.bench.unfinished import unfinished_run
from groupnl_deploy.errors import DeviceUnreachable
from groupnl_deploy.progress import Silence
from groupnl_deploy.remote.agent import open_agent
from groupnl_deploy.remote.client import AgentClient
from groupnl_deploy.remote.connect import connect
from tests.remote.weak_link import WeakLink
from tests.rigs.undisturbed import TRIES

SHORT = Settings(1, workload=Workload(images=2, idle_s=0.3, warmup_s=0.2, min_iterations=20, min_seconds=0.3))
# An idle window loses a second and a half at either end.
METERED = Settings(1, workload=Workload(idle_s=3.8, warmup_s=0.2, min_iterations=20, min_seconds=1.0))
IMAGES = np.zeros((1, 3, 32, 32), dtype=np.uint8)


_NEARLY_OVER_S = 0.1


class Late(Exception):
    """This process was held up: the benchmark had come to its end before anything was done to it."""


class Listener(Silence):
    """Does something, once, when a phase is heard to begin; remembers what is said."""

    def __init__(self, phase: str, act: Callable[[], object], stop_at: str | None = None) -> None:
        self.said: list[str] = []
        self._phase, self._act, self._stop_at = phase, act, stop_at

    def note(self, text: str) -> None:
        self.said.append(text)
        if self._stop_at is not None and self._stop_at in text:
            raise KeyboardInterrupt

    @contextlib.contextmanager
    def task(self, name: str) -> Iterator[Callable[..., None]]:
        def tell(done: float, total: float | None, detail: str = "") -> None:
            if detail == self._phase:
                self._phase = ""
                self._act()

        yield tell


class Road:
    """A device of the tests' server behind a link that can be broken, with an artifact on it."""

    def __init__(self, sshd, link: WeakLink, artifact: Artifact) -> None:
        self.sshd, self.link, self.artifact, self.name = sshd, link, artifact, "board"
        self.device = sshd.device(port=link.port)
        self.root = Path(self.device.root)

    def bench(
        self,
        phase: str,
        act: Callable[[], object],
        out: Path,
        retry_for_s: float = 30.0,
        idle_s: float = 0.3,
        stop_at: str | None = None,
        backend: str = "null",
        key: str = "",
    ) -> tuple[BenchRun, list[str]]:
        for number in range(TRIES):
            listener = Listener(phase, lambda: self._in_time(act), stop_at)
            with contextlib.suppress(Late):
                # Where the end came first, the board idles for longer.
                return self._bench(listener, out, retry_for_s, idle_s * 3**number, backend, key), listener.said
            psutil.wait_procs(self._processes(), timeout=60)
            shutil.rmtree(out.with_name(f"{out.name}.incomplete"), ignore_errors=True)
        raise AssertionError(f"{phase} was heard too late in each of {TRIES} tries")

    def _in_time(self, act: Callable[[], object]) -> None:
        if all(one.left_s < _NEARLY_OVER_S for one in running.running(self.root)):
            raise Late
        act()

    def _bench(
        self, listener: Listener, out: Path, retry_for_s: float, idle_s: float, backend: str, key: str
    ) -> BenchRun:
        try:
            run, folder = bench_device(
                self.name,
                backend,
                artifact=None,
                settings=Settings(1, workload=replace(SHORT.workload, idle_s=idle_s)),
                plan=None,
                out=out,
                reporter=listener,
                retry_for_s=retry_for_s,
                key=key,
            )
        finally:
            self.said = listener.said
        assert load_run(folder)[0] == run
        return run

    def metered(self, phase: str, act: Callable[[], object], out: Path, retry_for_s: float) -> BenchRun:
        """As `bench` does, with a meter and windows that are shorter than it allows."""
        listener = Listener(phase, act)
        with (
            WayBack("board", self.reach, retry_for_s, listener.note) as way_back,
            unfinished_run(out, listener.note) as unfinished,
            self.reach() as agent,
            listener.task("bench") as task,
        ):
            (deployment,) = agent.ask(ReadLedger("board")).deployments
            subject = Subject(deployment, self.artifact.manifest, IMAGES, Images("noise", None))
            measured = run_session(
                agent,
                subject,
                backend="null",
                settings=METERED,
                plan=MeterPlan("synthetic", "steady:5V,1A"),
                unfinished=unfinished,
                way_back=way_back,
                watch=lambda message: isinstance(message, PhaseMark) and task(0, None, message.phase),
                note=listener.note,
            )
            run = save_run(out, measured.run, measured.trace)
            way_back.confirm(measured.agent, run.request.bench_id)
        return run

    @contextlib.contextmanager
    def reach(self) -> Iterator[AgentClient]:
        with connect(self.device) as transport, open_agent(transport) as agent:
            yield agent

    def lose_for_good(self, out: Path, retry_for_s: float = 0.5, backend: str = "null", key: str = "") -> None:
        """A benchmark whose link does not come back in time; then it is there again."""
        with pytest.raises(DeviceUnreachable):
            self.bench("steady", lambda: self.link.cut("reset"), out, retry_for_s, backend=backend, key=key)
        self.link.mend()

    def break_it(self) -> None:
        """For an instant."""
        self.link.cut("reset")
        self.link.mend()

    def agents(self) -> list[psutil.Process]:
        """Those that run on the device."""
        return [one for one in self._processes() if "board_watch" not in " ".join(one.info["cmdline"])]

    def _processes(self) -> list[psutil.Process]:
        """The agents, and those who watch the board beside them."""
        return [
            one for one in psutil.process_iter(["cmdline"]) if str(self.root) in " ".join(one.info["cmdline"] or [])
        ]

    def require_nothing_left(self) -> None:
        psutil.wait_procs(self._processes(), timeout=60)
        assert self._processes() == []
        assert not (self.root / "spool").exists() or list((self.root / "spool").iterdir()) == []
