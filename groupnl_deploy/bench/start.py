"""How a benchmark begins: an agent that holds the device's lock, and what is to be run. What is lost is begun again."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TypeVar

from device_agent.backend_table import BACKENDS, native_refusal
from device_agent.messages.ledger import Deployment, ReadLedger
from device_agent.settings import Settings
from groupnl_deploy.bench.run import Images
from groupnl_deploy.bench.session import Subject
from groupnl_deploy.deploy.doctor import require_fit
from groupnl_deploy.deploy.ledger import find_deployment, remote_manifest
from groupnl_deploy.deploy.native import send_library
from groupnl_deploy.errors import GroupNLError, UsageError
from groupnl_deploy.progress import Reporter, Unrepeated
from groupnl_deploy.remote.agent import reached
from groupnl_deploy.remote.client import AgentClient
from groupnl_deploy.remote.device import Device
from groupnl_deploy.remote.retry import Budget, retrying
from groupnl_deploy.remote.waiting import ORPHAN_S, take_lock

T = TypeVar("T")


@dataclass
class Start:
    """The way to a benchmark on a device. `running` holds the agent that it goes by.

    Args:
        wanted: the artifact's id, or how it begins; None is what should be run, see `find_deployment`.
        data: where the images lie that the network was trained on, if not where they were last seen.
        wait_s: how long whatever else runs on the device is waited for.
        budget: how long a device that cannot be reached is tried again.
    """

    running: ExitStack
    device: Device
    backend: str
    wanted: str | None
    settings: Settings
    data: str | None
    wait_s: float
    budget: Budget
    reporter: Reporter
    _agent: AgentClient | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._told = Unrepeated(self.reporter)

    def has_artifact(self) -> bool:
        """Whether what is wanted was pushed already."""

        def asked(agent: AgentClient) -> bool:
            there = agent.ask(ReadLedger(self.device.name)).deployments
            return any(one.artifact_sha256 == self.wanted for one in there)

        return self._retried(asked)

    def subject(self) -> tuple[AgentClient, Subject]:
        """What is to be run, with the device's lock taken for it, and the agent that has the lock."""
        return self._retried(lambda agent: (agent, self._locked_subject(agent)))

    def again(self) -> tuple[AgentClient, Subject]:
        """`subject` behind a link that was lost: what it left there may have the lock for a while."""
        self._lost()
        return self.subject()

    def leave(self) -> None:
        """End the agent; the next question begins another."""
        self._agent = None
        self.running.close()

    def _retried(self, act: Callable[[AgentClient], T]) -> T:
        def once() -> T:
            try:
                return act(self._agent or self._begun())
            except GroupNLError:
                self._lost()
                raise

        return retrying(once, self.budget, self.reporter.note)

    def _lost(self) -> None:
        self.leave()
        self.wait_s = max(self.wait_s, ORPHAN_S)

    def _begun(self) -> AgentClient:
        agent = self.running.enter_context(reached(self.device, self.backend, self._told.note))
        require_fit(agent, self.device.name, "bench", self._told.note, backends=[self.backend])
        self._agent = agent
        return agent

    def _locked_subject(self, agent: AgentClient) -> Subject:
        name = self.device.name
        take_lock(agent, name, f"a benchmark of {self._deployment(agent).label}", self.wait_s, self._told.note)
        # Whom we waited for may have pushed a newer one, or this one anew.
        artifacts = agent.ask(ReadLedger(name)).artifacts
        deployment = find_deployment(artifacts, name, self.backend, self.wanted)
        subject = gathered(agent, deployment, self.settings.workload.images, self.data, self._told)
        if subject.manifest.native is not None and (refusal := native_refusal(self.backend)) is not None:
            raise UsageError(*refusal)
        if subject.manifest.native is not None and BACKENDS[self.backend].computes:
            send_library(agent, subject.manifest.native, self.settings.threads, mend=False)
        return subject

    def _deployment(self, agent: AgentClient) -> Deployment:
        ledger = agent.ask(ReadLedger(self.device.name))
        if ledger.damage is not None:
            self._told.note(
                f"The ledger on {self.device.name} was not used: {ledger.damage}. The next push writes it anew."
            )
        return find_deployment(ledger.artifacts, self.device.name, self.backend, self.wanted)


def gathered(agent: AgentClient, deployment: Deployment, most: int, place: str | None, reporter: Reporter) -> Subject:
    """A deployment with its manifest, read back from the device and verified, and the images that the model takes."""
    from groupnl_deploy.images.at_hand import dataset_at_hand, where_sought
    from groupnl_deploy.images.bench_images import bench_images

    manifest = remote_manifest(agent, deployment)
    shape = manifest.image_shape
    if shape is None:
        return Subject(deployment, manifest, None, Images(f"{manifest.samples} samples of the artifact's own", None))
    view = None if manifest.preprocessing is None else manifest.preprocessing.view
    data = None if manifest.data is None else dataset_at_hand(manifest.data, shape, place, reporter=reporter, view=view)
    if manifest.data is not None and data is None:
        reporter.note(
            f"The images of {manifest.label} are not at hand, so it is shown photographs, and has no accuracy: "
            f"{where_sought(manifest.data)}. --data DIR says where they lie."
        )
    chosen = bench_images(data, shape, most or None)
    return Subject(deployment, manifest, chosen.images, Images(chosen.source, chosen.labels))
