"""What is kept of one run of a command, beside its recording and its output: `command.json`."""

from dataclasses import dataclass
from pathlib import Path

from device_agent.file_digest import FileDigest
from groupnl_deploy.bench.check import Check
from groupnl_deploy.power_run.child import STDERR_FILE, STDOUT_FILE
from groupnl_deploy.power_run.commands import DeviceTimes
from groupnl_deploy.power_run.energy import CommandEnergy
from groupnl_deploy.record import add_record, read_record
from groupnl_deploy.workspace import POWER_FILE
from power.trace import MeterFacts

COMMAND_FILE = "command.json"


@dataclass(frozen=True)
class HostTimes:
    """When it ran on the host's `time.monotonic()`, which the recording's `t0_s` is of, and in seconds of that."""

    start_s: float
    end_s: float
    recording_start_s: float
    recording_end_s: float


@dataclass(frozen=True)
class CommandRecord:
    """One run. `device` is None here; `exit_code` is the command's own (128 + n: ended by signal n).

    `exit_code`, `host` and `clock` (the device's) are None where the link was lost, `energy` where there is none; then
    `problems` says why.
    """

    command: tuple[str, ...]
    device: str | None
    began_at: str
    idle_s: float
    exit_code: int | None
    host: HostTimes | None
    clock: DeviceTimes | None
    meter: MeterFacts
    energy: CommandEnergy | None
    checks: tuple[Check, ...]
    problems: tuple[str, ...]
    notes: tuple[str, ...]
    files: tuple[FileDigest, ...]
    versions: dict[str, str]
    schema_version: int = 1

    @property
    def valid(self) -> bool:
        """Whether its joules may be believed."""
        return self.energy is not None and not self.problems


def write_command(folder: Path, record: CommandRecord) -> None:
    """Keep it in the run's folder, whole or not at all. Raises `UsageError` or `DiskFull`."""
    add_record(folder / COMMAND_FILE, record)


def read_command(folder: Path) -> CommandRecord:
    """Raises `VerificationFailed` for what is damaged, altered or of another version."""
    return read_record(CommandRecord, folder / COMMAND_FILE, "Measure the command again.")


def digests(folder: Path) -> tuple[FileDigest, ...]:
    """Of the recording and the output, as far as they are there. Marks may be added later."""
    files = (folder / name for name in (POWER_FILE, STDOUT_FILE, STDERR_FILE))
    return tuple(FileDigest.of(file) for file in files if file.is_file())
