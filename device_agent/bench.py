"""How a benchmark's request is answered: its images taken, all of it checked, then carried out under the lock."""

from typing import TYPE_CHECKING

from device_agent.messages.bench import BenchDone, BenchFrame, BenchRequest, ImagePayload
from device_agent.packages import imported
from device_agent.spool import sweep_spool

if TYPE_CHECKING:
    from device_agent.backends import Subject
    from device_agent.inputs import BenchInputs
    from device_agent.session import Session


def answer_bench(request: BenchRequest, session: "Session") -> BenchDone:
    """Carry out a benchmark. Raises an `AgentError` for whatever the device cannot do."""
    # All that follows is taken from the line first: a refusal must not leave it to be read as requests.
    frame = session.receive(BenchFrame)
    payloads = [session.receive(ImagePayload) for _ in range(request.images_sent)]
    # It needs numpy, which pushing does not.
    runner = imported("device_agent.runner", request.backend)
    subject = runner.check_request(request, session.root)
    inputs = _inputs(subject, payloads)
    payloads.clear()
    with session.lock.kept("a benchmark"):
        sweep_spool(session.root)
        bench = session.begin_bench(request, subject.manifest.label, frame.text)
        done: BenchDone = runner.run_bench(request, inputs, subject, session.agent_sha256, bench.tell)
    return done


def _inputs(subject: "Subject", payloads: list[ImagePayload]) -> "BenchInputs":
    """What the model is shown; it needs numpy, which is known to be there when the runner is."""
    from device_agent.inputs import bench_inputs

    return bench_inputs(subject.directory, payloads, subject.manifest)
