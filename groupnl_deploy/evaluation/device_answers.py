"""Images answered by an artifact on a device, over a link that may break: what was not answered yet is sent again."""

import hashlib
import json
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from types import TracebackType
from typing import Self, TypeVar

import numpy as np
import torch
from torch import Tensor

from device_agent.messages.answers import AnswerImages, AnsweringOpened, OpenAnswering, images_at_once
from device_agent.messages.bench import OutputValues
from device_agent.strict import to_dict
from exporters.artifact import Artifact
from groupnl_deploy.deploy.native import send_library
from groupnl_deploy.errors import DeviceFault, DeviceUnavailable, GroupNLError
from groupnl_deploy.evaluation.kept_answers import KeptAnswers
from groupnl_deploy.images.source import Shape
from groupnl_deploy.progress import Say
from groupnl_deploy.remote.agent import reached
from groupnl_deploy.remote.client import AgentClient
from groupnl_deploy.remote.device import Device
from groupnl_deploy.remote.outputs import array_of
from groupnl_deploy.remote.retry import DEFAULT_RETRY_S, Budget, retrying
from groupnl_deploy.remote.waiting import ORPHAN_S, take_lock

T = TypeVar("T")

_ON_THE_WAY = 8
"""Requests without an answer at once: with the largest of them no more than 768 KiB of pixels, or eight large images.
They are all that the device holds of what is sent, and what is sent again where the link is lost.
"""


@dataclass(frozen=True)
class Asked:
    """What answers, and how patiently it is sought.

    Args:
        device: where.
        artifact: which was pushed there.
        shape: (C, H, W) of its images.
        backend: that runs it.
        threads: of one inference; 0 for every core.
        wait_s: how long whatever else runs on the device is waited for.
        retry_for_s: how long a link that was lost is sought again; before the first answer, half a minute at most.
        say: told what happens on the way.
    """

    device: Device
    artifact: Artifact
    shape: Shape
    backend: str
    threads: int
    wait_s: float
    retry_for_s: float
    say: Say


@dataclass(frozen=True)
class _Part:
    """The images of one request, and their answer where it is kept."""

    count: int
    pixels: bytes
    kept: OutputValues | None


class DeviceAnswers:
    """A `StreamedAnswer`. A context manager that holds the device's lock from its beginning to its end.

    Raises what the agent refuses, and `DeviceUnavailable`, with how far it was, where the link does not come back. One
    stream of batches at a time.
    """

    def __init__(self, asked: Asked) -> None:
        self._asked, self._running = asked, ExitStack()
        self._agent: AgentClient | None = None
        self._kept: KeptAnswers | None = None
        self._wait_s = asked.wait_s
        self._sent = 0  # of the requests that wait for an answer, over the link that there is now
        self.answered = 0
        """Images, since the context began."""

    def __enter__(self) -> Self:
        self._retried(self._reached)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._kept is not None:
            if kind is None:
                self._kept.forget()
            self._kept.close()
        self._running.__exit__(kind, error, trace)

    def __call__(self, pixels: Tensor, /) -> Tensor:
        """The logits of one batch, (N, classes). A stream of many keeps the device busier."""
        return torch.cat(list(self.of_each(iter([pixels]))))

    def of_each(self, batches: Iterator[Tensor]) -> Iterator[Tensor]:
        """The logits of all images, in their order, some at a time. Batches are taken while the device computes."""
        parts = (
            self._part(part) for batch in batches for part in torch.split(batch, images_at_once(self._asked.shape))
        )
        waiting: deque[_Part] = deque()
        try:
            while True:
                waiting.extend(islice(parts, _ON_THE_WAY - len(waiting)))
                if not waiting:
                    return
                logits = self._retried(lambda: self._first_of(waiting))
                waiting.popleft()
                self.answered += len(logits)
                yield logits
        finally:
            if self._sent:  # whoever asks next must not get the answers to these
                self._leave()

    def _part(self, images: Tensor) -> _Part:
        pixels = np.ascontiguousarray(images).tobytes()
        return _Part(len(images), pixels, None if self._kept is None else self._kept.get(pixels))

    def _first_of(self, waiting: deque[_Part]) -> Tensor:
        """Send what was not sent yet over this link, and wait for the answer to the first."""
        agent, first = self._reached(), waiting[0]
        for part in islice(waiting, self._sent, None):
            if part.kept is None:
                agent.send(AnswerImages(part.count))
                agent.send_bytes([part.pixels])
            self._sent += 1
        answer = first.kept or agent.answer_to(AnswerImages(first.count)).logits
        self._sent -= 1
        values = array_of(answer)
        if values.ndim != 2 or len(values) != first.count:
            raise DeviceFault(
                f"{self._asked.device.name} answered {values.shape} to {first.count} images.", "Export and push again."
            )
        if first.kept is None and self._kept is not None:
            self._kept.put(first.pixels, first.count, answer)
        return torch.from_numpy(values.astype(values.dtype.newbyteorder("=")))

    def _reached(self) -> AgentClient:
        """The agent, with the device's lock and the artifact loaded."""
        if self._agent is None:
            asked, name = self._asked, self._asked.device.name
            manifest, sha256 = asked.artifact.manifest, asked.artifact.sha256
            agent = self._running.enter_context(reached(asked.device, asked.backend, asked.say))
            take_lock(agent, name, f"an evaluation of {manifest.label}", self._wait_s, asked.say)
            if manifest.native is not None:
                send_library(agent, manifest.native, asked.threads, mend=False)
            opened = agent.ask(OpenAnswering(f"artifacts/{sha256}", sha256, asked.backend, asked.threads))
            self._keep_for(sha256, opened)
            self._agent = agent
        return self._agent

    def _keep_for(self, sha256: str, opened: AnsweringOpened) -> None:
        """What computes decides whose answers are taken: another version there may answer otherwise."""
        whose = json.dumps([sha256, self._asked.device.name, self._asked.backend, to_dict(opened)], sort_keys=True)
        key = hashlib.sha256(whose.encode()).hexdigest()
        if self._kept is not None and self._kept.key == key:
            return
        self._kept = KeptAnswers(key)
        if self._kept.images:
            self._asked.say(
                f"{self._asked.device.name} has answered {self._kept.images:,} images before its evaluation was cut "
                "short: it is not asked for these again."
            )

    def _retried(self, act: Callable[[], T]) -> T:
        def once() -> T:
            try:
                return act()
            except GroupNLError:
                self._leave()
                self._wait_s = max(self._wait_s, ORPHAN_S)  # what was left there may have the lock for a while
                raise

        try:
            return retrying(once, self._budget, self._asked.say, lambda: self.answered)
        except DeviceUnavailable as lost:
            if not self.answered:
                raise
            raise DeviceUnavailable(
                f"{lost.message} {self.answered:,} images had been answered by then.",
                f"{lost.remedy} Within a week the same command goes on from there.",
            ) from lost

    @property
    def _budget(self) -> Budget:
        """Whoever waits at the beginning can still mend a name or a plug; later there are hours to be lost."""
        most_s = self._asked.retry_for_s
        return Budget(most_s if self.answered else min(most_s, DEFAULT_RETRY_S))

    def _leave(self) -> None:
        """End the session; the next question begins another."""
        self._agent, self._sent = None, 0
        self._running.close()
