"""Was measured what should be: by the provider that was meant, with right answers? Pure."""

from collections.abc import Iterable, Iterator

from device_agent.backend_table import BACKENDS
from groupnl_deploy.bench.check import Check, judged
from groupnl_deploy.bench.run import BenchRun


def answer_checks(run: BenchRun) -> Iterator[Check]:
    """Of the runtime's execution provider, and the answers."""
    for found in (_provider, _agreement):
        yield from found(run)


def _provider(run: BenchRun) -> Iterable[Check]:
    entry, found = BACKENDS.get(run.result.backend), run.result.providers
    if entry is None or entry.provider is None or not found:
        return
    says = f"the runtime fell back to {found[0]}, and {entry.provider} was to be measured"
    remedy = "Install the runtime's own wheel on the device (`groupnl device provision`)"
    yield judged("execution provider", "time", found[0] == entry.provider, 0.0, 0.0, says, remedy)


def _agreement(run: BenchRun) -> Iterable[Check]:
    entry, agreement = BACKENDS.get(run.result.backend), run.agreement
    if agreement is None or (entry is not None and not entry.computes):
        return  # the device has compared the artifact's golden pair all the same
    other = 0 if agreement.same_answers is None else agreement.images - agreement.same_answers
    error = agreement.error
    far = "infinitely far" if error is None else f"up to {error:.3g}"
    says = f"the device's answers are {far} from the right ones (at most {agreement.allowed:.3g})" + (
        f", and {other} of {agreement.images} images are taken for another class" if other else ""
    )
    remedy = "Install another version of the runtime on the device, or export and push again"
    yield judged("answers", "time", agreement.holds, error, agreement.allowed, says, remedy)
