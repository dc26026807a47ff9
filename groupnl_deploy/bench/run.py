"""A benchmark run on disk: `run.json` with everything raw, and `power.csv` when a meter recorded.

`run.json` has the digest of the recording, and its own stands beside it. Summaries are never stored: statistics, joules
and reports are derived from these files, without the board.
"""

import platform
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from device_agent.file_digest import FileDigest
from device_agent.manifest import ArtifactManifest
from device_agent.messages.bench import BenchRequest
from device_agent.messages.profile import Profiled
from groupnl_deploy.bench.agreement import Agreement
from groupnl_deploy.bench.clock import ClockSync
from groupnl_deploy.bench.result import BenchResult, has_every_phase
from groupnl_deploy.errors import GroupNLError, UsageError, VerificationFailed
from groupnl_deploy.record import amend_record, digest_file, read_record, write_record
from groupnl_deploy.version import __version__
from groupnl_deploy.workspace import INCOMPLETE_FILE, POWER_FILE, RUN_FILE, atomic_directory
from power.errors import PowerError
from power.renewal import judged
from power.trace import MeterFacts, PowerTrace
from power.trace_io import read_csv, write_csv

SCHEMA_VERSION = 6
RUN_DIGEST = digest_file(Path(RUN_FILE)).name
_BENCH_AGAIN = "The folder is not as groupnl bench wrote it: bench again."


@dataclass(frozen=True)
class Images:
    """What the model was shown: where the images or samples come from, and the images' labels if they have any."""

    source: str
    labels: tuple[int, ...] | None


@dataclass(frozen=True)
class PowerRecord:
    """The meter's facts, `emulated` among them, and the recording's digest."""

    file: FileDigest
    meter: MeterFacts


@dataclass(frozen=True, kw_only=True)
class RunFrame:
    """What is known of a benchmark before it begins: what was asked, of what, on what, by what."""

    device: str
    artifact_sha256: str
    manifest: ArtifactManifest
    request: BenchRequest
    images: Images
    created_at: str
    host: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class BenchRun(RunFrame):
    """One whole benchmark: what was asked and what was measured.

    `clock` is null where nothing compared the two clocks, and then no meter recorded. `links_lost` is how often the
    host lost the device in the middle of it; the device finished it all the same. `agreement` is null where nobody had
    the right answers.
    """

    clock: ClockSync | None
    result: BenchResult
    power: PowerRecord | None
    links_lost: int = 0
    agreement: Agreement | None = None
    schema_version: int = SCHEMA_VERSION


def host_facts() -> dict[str, str]:
    """The versions that made the run."""
    return {"groupnl": __version__, "python": platform.python_version(), "machine": platform.machine()}


def now_utc() -> str:
    """The time of day for people; nothing is computed from it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def run_name(label: str, backend: str) -> str:
    """What a run's folder is called by, of a model's label and what runs it: of letters, digits, points and hyphens."""
    return f"{plain_name(label) or 'net'}-{backend}"


def plain_name(text: str) -> str:
    """What is left of a text as a part of a file's name: letters, digits, points and hyphens; it may be nothing."""
    return re.sub(r"[^A-Za-z0-9.]+", "-", text).strip("-")


def save_run(target: Path, run: BenchRun, trace: PowerTrace | None) -> BenchRun:
    """Make the run folder, whole or not at all, with the digests of all in it; returns the run as it is kept."""
    with atomic_directory(target) as folder:
        if trace is not None:
            trace = judged(trace)
            write_csv(trace, folder / POWER_FILE)
            run = replace(run, power=PowerRecord(FileDigest.of(folder / POWER_FILE), trace.facts))
        write_record(folder / RUN_FILE, run)
    return run


def amend_run(target: Path, run: BenchRun) -> None:
    """Put a run's record in the place of the one that is there. Raises `UsageError` or `DiskFull`."""
    amend_record(target / RUN_FILE, run)


def load_run(folder: Path) -> tuple[BenchRun, PowerTrace | None]:
    """Read a run folder and verify its record and its recording. Raises `UsageError` or `VerificationFailed`."""
    path = folder / RUN_FILE
    if (folder / INCOMPLETE_FILE).is_file():
        raise VerificationFailed(f"{folder} holds an incomplete run.", "Bench again.")
    if not path.is_file():
        if any((folder / left).is_file() for left in (POWER_FILE, RUN_DIGEST)):
            raise VerificationFailed(f"{path} is missing.", _BENCH_AGAIN)
        what = f"it has no {RUN_FILE}" if folder.exists() else "it does not exist"
        raise UsageError(f"{folder} is no run: {what}.", "Name a folder that groupnl bench wrote, or a campaign's.")
    run = read_record(BenchRun, path, "The run is damaged or of another version: bench again.")
    _require_consistent(run, path)
    return run, None if run.power is None else load_trace(folder, run.power)


def _require_consistent(run: BenchRun, path: Path) -> None:
    """Every phase, the images that the model takes with a label each, their answers, and the right artifact."""
    result, labels = run.result, run.images.labels
    sent, samples, classes = run.request.images_sent, run.manifest.samples, run.manifest.classes
    named = 0 if run.manifest.data is None else len(run.manifest.data.class_names)
    whole = (
        has_every_phase(run.request, result.phases)
        and (sent > 0) == (samples == 0)
        and len(result.predictions) == (0 if classes is None else sent or samples)
        and all(0 <= answer < (classes or 0) for answer in result.predictions)
        and (labels is None or len(labels) == sent)
        and all(0 <= label < max(classes or 0, named) for label in labels or ())
        and len(result.outputs) <= (sent or samples)
        and len(result.preprocess_ns) == len(result.postprocess_ns)
        and _is_sane(result.latencies_ns)
        and (result.profile is None or _is_whole(result.profile))
        and all(span.end_ns > span.start_ns for span in result.phases if span.phase == "steady")
        and result.manifest_sha256 == run.artifact_sha256
        and (run.power is None or run.clock is not None)
    )
    if not whole:
        raise VerificationFailed(f"{path} contradicts itself: phases, images or digests do not match.", _BENCH_AGAIN)


def _is_sane(latencies_ns: Sequence[int]) -> bool:
    """One at least, none below zero or beyond the agent's own 64 bits; a coarse clock may have zeros among them."""
    return any(latencies_ns) and min(latencies_ns) >= 0 and max(latencies_ns) < 2**63


def _is_whole(profile: Profiled) -> bool:
    """Times that can be, and operators that name one another."""
    operators = profile.operators
    return (not profile.latencies_ns or _is_sane(profile.latencies_ns)) and all(
        0 <= one.total_ns < 2**63 and one.calls > 0 and all(0 <= place < len(operators) for place in one.after)
        for one in operators
    )


def has_digest(folder: Path) -> bool:
    """Whether the digest of a run's record lies beside it; older versions wrote none, and then nothing verifies it."""
    return (folder / RUN_DIGEST).is_file()


def holds_bench(folder: Path, bench_id: str) -> bool:
    """Whether the folder is the whole run of this benchmark."""
    try:
        return load_run(folder)[0].request.bench_id == bench_id
    except (GroupNLError, PowerError):
        return False


def load_trace(folder: Path, power: PowerRecord) -> PowerTrace:
    """A run's recording. Raises `VerificationFailed` where it is not the one that was recorded."""
    damage = power.file.damage(folder)
    if damage is not None:
        raise VerificationFailed(damage, _BENCH_AGAIN)
    trace = read_csv(folder / POWER_FILE)
    # So that no word changed in run.json turns an emulated meter into a real one.
    if trace.facts != power.meter:
        raise VerificationFailed(f"{folder / RUN_FILE} and {POWER_FILE} name different meters.", _BENCH_AGAIN)
    return trace
