"""An artifact that is evaluated on a device: it is pushed there where it is missing, and answers what is sent to it."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from device_agent.backend_table import BACKENDS, backend_for, native_refusal
from device_agent.messages.ledger import ReadLedger
from device_agent.settings import Settings
from exporters.artifact import Artifact, open_artifact
from groupnl_deploy.deploy.acceptance import require_accepted
from groupnl_deploy.deploy.doctor import require_fit
from groupnl_deploy.deploy.inventory import get_device
from groupnl_deploy.deploy.push import deploy_artifact
from groupnl_deploy.errors import UsageError
from groupnl_deploy.evaluation.artifact import described, require_evaluable
from groupnl_deploy.evaluation.device_answers import Asked, DeviceAnswers
from groupnl_deploy.evaluation.subject import Subject
from groupnl_deploy.mistaken import require_is
from groupnl_deploy.progress import Reporter, Unrepeated
from groupnl_deploy.remote.agent import reached
from groupnl_deploy.remote.device import Device
from groupnl_deploy.remote.retry import DEFAULT_RETRY_S, Budget, retrying
from groupnl_deploy.remote.waiting import DEFAULT_WAIT_S
from groupnl_deploy.training.evaluate import Answer
from groupnl_deploy.words import known_word

RETRY_S = 600.0
"""Hours of answers are at stake, so a link that was lost is sought for longer than a push or a benchmark seeks it."""


def device_subject(
    folder: Path,
    device_name: str,
    reporter: Reporter,
    *,
    backend: str | None = None,
    threads: int = 0,
    wait_s: float = DEFAULT_WAIT_S,
    retry_for_s: float = RETRY_S,
) -> Subject:
    """The network of an artifact folder, as a device answers for it; pushed first where the device has not got it.

    The device's lock is held while `answering` is open, and not before.

    Args:
        folder: of the artifact.
        device_name: as `groupnl device add` knows it.
        reporter: told of a push, of whom is waited for, of links that were lost.
        backend: None is the one that runs the artifact's format.
        threads: of one inference there; 0 for every core.
        wait_s: how long a push, a benchmark or another evaluation is waited for.
        retry_for_s: how long a link that was lost is sought again, from the newest answer on; before the first, half a
            minute at most.

    Raises `UsageError` for what is no artifact or cannot be evaluated, and all that a push raises.
    """
    require_is(folder, "artifact")
    artifact, device = open_artifact(folder), get_device(device_name)
    shape, _, _ = require_evaluable(artifact)
    chosen = _backend(artifact, backend)
    threads = Settings(threads=threads).threads  # raises for what is no number of threads
    emulated = _there(artifact, device, chosen, reporter, wait_s, retry_for_s)
    asked = Asked(device, artifact, shape, chosen, threads, wait_s, retry_for_s, Unrepeated(reporter).note)
    where = f", device {device.name}{', EMULATED' if emulated else ''}"
    return described(artifact, "device", where, partial(_answering, asked))


def _backend(artifact: Artifact, name: str | None) -> str:
    """A backend that runs the artifact and computes. Raises `UsageError`."""
    chosen, format = name or backend_for(artifact.manifest.format), artifact.manifest.format
    entry = BACKENDS[known_word("backend", chosen, BACKENDS)]
    if not entry.computes:
        raise UsageError(f"The backend {chosen} computes nothing, so its answers say nothing.", "Leave it out.")
    if format not in entry.formats:
        raise UsageError(
            f"{chosen} cannot run {artifact.directory}, whose format is {format}.",
            f"Leave the backend out: {backend_for(format)} runs it.",
        )
    if artifact.manifest.native is not None and (refusal := native_refusal(chosen)) is not None:
        raise UsageError(*refusal)
    return chosen


def _there(
    artifact: Artifact, device: Device, backend: str, reporter: Reporter, wait_s: float, retry_for_s: float
) -> bool:
    """See that the device can run it, and has it. Whether an emulator computes there."""
    said = Unrepeated(reporter)

    def asked() -> tuple[bool, bool]:
        with reached(device, backend, said.note) as agent:
            readiness = require_fit(agent, device.name, "evaluate", said.note, backends=[backend])
            there = agent.ask(ReadLedger(device.name)).deployments
            return any(one.artifact_sha256 == artifact.sha256 for one in there), bool(readiness.board.emulated)

    first_s = min(retry_for_s, DEFAULT_RETRY_S)
    has_it, emulated = retrying(asked, Budget(first_s), said.note)
    if not has_it:
        reporter.note(f"{device.name} has no {artifact.directory} yet, so it is pushed first.")
        pushed = deploy_artifact(artifact.directory, device.name, reporter, wait_s=wait_s, retry_for_s=first_s)
        require_accepted(pushed.acceptance, device.name)
    return emulated


@contextmanager
def _answering(asked: Asked) -> Iterator[Answer]:
    with DeviceAnswers(asked) as answers:
        yield answers
