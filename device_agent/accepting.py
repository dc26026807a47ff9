"""Acceptance on the device's side: a trial in a child process, its verdict written down, then the switch.

Nothing becomes current but through here, under the device's lock.
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path

from device_agent import current, ledger, verdicts
from device_agent.artifact import look_at_artifact, open_artifact
from device_agent.child import Ended, run_child
from device_agent.deaths import death_of
from device_agent.environments import python_of, runtime_of, serving
from device_agent.errors import (
    AgentError,
    BadRequest,
    DigestMismatch,
    MissingLibrary,
    NativeDamaged,
    RuntimeTooOld,
)
from device_agent.lock import DeviceLock
from device_agent.manifest import ArtifactManifest, Format
from device_agent.messages.accept import TRIAL_S, Acceptance, Verdict
from device_agent.messages.doctor import Runtime
from device_agent.native_store import folder_of, is_whole
from device_agent.strict import StrictError, from_json, to_dict
from device_agent.trial import MARK, WORD, TrialOrder, Tried, Trouble

# Of what is in the way, these are no verdicts on the artifact: it cannot run yet, and it is not the one that was sent.
_NOT_YET = (MissingLibrary.code, RuntimeTooOld.code)
_DAMAGED: dict[str, type[AgentError]] = {one.code: one for one in (DigestMismatch, NativeDamaged)}
_GO_ON = "Push the artifact again; if it ends in the same way, install another version of the runtime on the device."


@dataclass(frozen=True)
class Accepting:
    """The acceptances of one session. `agent` is the bundle that runs."""

    root: Path
    agent: Path
    agent_sha256: str
    lock: DeviceLock

    def accept(self, sha256: str) -> Acceptance:
        """Try an artifact, unless the same runtime accepted it before; make it current if it passes.

        Raises `DigestMismatch` or `NativeDamaged` for one that is not whole.
        """
        self.lock.require_held("an acceptance")
        folder = self.root / "artifacts" / sha256
        manifest = look_at_artifact(folder, sha256)
        backend = self._backend(manifest)
        runtime = runtime_of(self.root, backend)
        before = verdicts.accepted(self.root, sha256)
        if before is not None and self._still_holds(before, manifest, runtime):
            if current.current(self.root, manifest.format) != sha256:
                open_artifact(folder, sha256)
            return self._accepted(manifest, before, tried=False)
        tried = self._try(folder, sha256, backend)
        if tried.trouble is not None:
            return self._not_accepted(sha256, manifest, tried.trouble)
        assert tried.model is not None
        record = verdicts.Accepted(sha256, tried.model, tried.library, runtime, self.agent_sha256, None)
        return self._accepted(manifest, record, tried=True)

    def rollback(self, format: Format) -> Acceptance:
        """Accept what was current before. Raises `BadRequest` where there is nothing of the kind."""
        self.lock.require_held("a rollback")
        sha256 = current.previous(self.root, format)
        if sha256 is None or sha256 == current.current(self.root, format):
            raise BadRequest(
                f"There is nothing to go back to: no other artifact of the format {format} was current before.",
                "Push the artifact that you want.",
            )
        return self.accept(sha256)

    def _backend(self, manifest: ArtifactManifest) -> str:
        return serving(self.root, manifest.format, native=manifest.native is not None)

    def _still_holds(self, before: verdicts.Accepted, manifest: ArtifactManifest, runtime: Runtime) -> bool:
        """Whether a trial would be the one that was passed: nothing that takes part in it has changed.

        (Which native library that would be follows from the agent, whose bundle lists them, and from the runtime.)
        """
        if verdicts.state_of(self.root, before.artifact_sha256) != "accepted":
            return False
        if (before.runtime, before.agent_sha256) != (runtime, self.agent_sha256):
            return False
        return before.library is None or is_whole(folder_of(self.root), before.library)

    def _try(self, folder: Path, sha256: str, backend: str) -> Tried:
        order = TrialOrder(str(folder), sha256, str(folder_of(self.root)), backend)
        python = python_of(self.root, backend)
        try:
            ended = run_child(python, str(self.agent), WORD, json.dumps(to_dict(order)), MARK, TRIAL_S)
        except OSError as error:
            text = f"The Python of the backend {backend} does not start: {error.strerror or error}."
            return Tried(trouble=Trouble(MissingLibrary.code, text, "Provision the backend anew."))
        return outcome(ended)

    def _accepted(self, manifest: ArtifactManifest, record: verdicts.Accepted, *, tried: bool) -> Acceptance:
        """Write it down, and make it current."""
        verdicts.record_accepted(self.root, replace(record, newest=self._newest()))
        current.switch(self.root, manifest.format, record.artifact_sha256)
        return self._answer(record.artifact_sha256, manifest, "accepted", None, tried=tried)

    def _not_accepted(self, sha256: str, manifest: ArtifactManifest, trouble: Trouble) -> Acceptance:
        code, message, remedy = trouble.code, trouble.message, trouble.remedy
        if code in _DAMAGED:
            raise _DAMAGED[code](message, remedy)
        if code in _NOT_YET:
            return self._answer(sha256, manifest, "not_accepted", trouble, tried=True)
        verdicts.record_refused(self.root, verdicts.Refused(sha256, code, message, remedy))
        return self._answer(sha256, manifest, "refused", trouble, tried=True)

    def _answer(
        self, sha256: str, manifest: ArtifactManifest, verdict: Verdict, trouble: Trouble | None, *, tried: bool
    ) -> Acceptance:
        format = manifest.format
        return Acceptance(
            artifact_sha256=sha256,
            label=manifest.label,
            format=format,
            backend=self._backend(manifest),
            verdict=verdict,
            tried=tried,
            code=None if trouble is None else trouble.code,
            message=None if trouble is None else trouble.message,
            remedy=None if trouble is None else trouble.remedy,
            current=current.current(self.root, format),
            previous=current.previous(self.root, format),
        )

    def _newest(self) -> verdicts.Newest | None:
        pushes = ledger.read(self.root, locked=True).deployments
        return verdicts.Newest(pushes[-1].artifact_sha256, pushes[-1].pushed_at) if pushes else None


def outcome(ended: Ended) -> Tried:
    """What a child that has ended found out, or what it died of, and at which step."""
    try:
        return from_json(Tried, ended.said[-1])
    except (IndexError, StrictError):
        step = ended.said[-1] if ended.said else "started"
    if not ended.in_time:
        text = f"The model did not run on this device within {TRIAL_S:.0f} s: it was stopped while it {step}."
        return Tried(trouble=Trouble("no_answer", text, "Use a smaller model."))
    death = death_of(ended.exit_code, ended.ran_out)
    if death is not None:
        text = f"The process that tried the model {death.what} while it {step}."
        return Tried(trouble=Trouble(death.code, text, death.remedy))
    last = " / ".join(ended.words).rstrip(".") or "it said nothing"
    text = f"The process that tried the model ended with code {ended.exit_code} while it {step}: {last}."
    return Tried(trouble=Trouble("crashed", text, _GO_ON))
