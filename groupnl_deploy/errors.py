"""What can go wrong on the host, the exit code each kind has, and which kinds pass by themselves.

::

    GroupNLError                     1
    ├── UsageError                   2   a word, option or file the user gave is wrong
    │   ├── InvalidSetting           2   one that has a name of its own in a campaign file
    │   └── CacheNotWritable         2   a native library cannot be kept where this machine keeps such things
    ├── DeviceUnreachable            3   the board, its key, its Python or its meter cannot be reached
    │   └── DeviceUnavailable        3 ↻ just now: link lost, no answer in time, starting up, all sessions taken
    │       └── NotBegun             3 ↻ the link was lost before a benchmark had begun
    ├── NotAccepted                  3   an artifact is on the device, which lacks the runtime to try it
    ├── VerificationFailed           4   a digest differs: missing, truncated or altered file
    │   └── AnswersRefused           4   the device computes other answers than the proved ones, or crashes
    ├── MeasurementInvalid           6   numbers were taken that nobody should trust
    ├── Regression                   7   a comparison shows that a rule of the user's is broken
    ├── CommandNotRun          126, 127   `power run`: its command is no program, or is not found
    ├── DeviceFault                  1   the agent reported a failure of its own
    │   └── DeviceBusy               1 ↻ another push or benchmark has the device
    ├── NoNativeLibrary              1   no library of native operators fits, and none can be built here
    ├── DiskFull                     1
    └── TrainingDiverged             1

↻ is *transient* (`error.transient`): the same call may succeed later although nobody mends anything, so a caller may
try it again a few times. Every other kind is permanent: it stays until somebody acts. Where a failure can be either, it
is transient: a few tries in vain cost seconds, and giving up on a board that was rebooting costs a night.

Every error is one sentence of what happened (`message`) and one of what to do (`remedy`).
`power`, `exporters` and `device_agent` have trees of their own; `cli.exits` maps them all.
"""

from device_agent.settings import SettingError

_TORCH_HAS_NONE = "can't allocate memory"  # in place of a MemoryError


class GroupNLError(Exception):
    """Base of the host's errors. `exit_code` is what the command line returns; `transient`: trying again may help."""

    exit_code = 1
    transient = False

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy


class Stopped(KeyboardInterrupt):
    """Ctrl-C, with what is to be said of how it goes on from here."""

    def __init__(self, remedy: str) -> None:
        super().__init__()
        self.remedy = remedy


class UsageError(GroupNLError):
    """A word, an option or a file that the user gave is wrong."""

    exit_code = 2


class InvalidSetting(UsageError):
    """A setting is wrong that is an option on the command line and a key of a campaign file.

    Both sentences call a field of the setting's dataclass `{field}`, as those of a `SettingError` do. As they stand
    they name options; `worded` gives them with other names.
    """

    def __init__(self, message: str, remedy: str, *fields: str) -> None:
        self.fields = fields
        self.worded = SettingError(message, remedy, *fields).worded
        super().__init__(*self.worded(option_name))


# Of fields whose options have other names.
_OPTIONS = {
    "min_seconds": "--duration",
    "min_iterations": "--iterations",
    "cool_to_c": "--cool-to",
    "rate_hz": "--meter-rate",
    "spinning": "--no-spinning",  # the default's opposite: only that is ever refused
    "arena": "--no-arena",
    "flip": "--no-flip",
}


def option_name(field: str) -> str:
    """The option that sets a field."""
    return _OPTIONS.get(field, f"--{field.removesuffix('_s').replace('_', '-')}")


class CacheNotWritable(UsageError):
    """The folder of what can be made again, which the user's settings name, cannot take a native library."""


class DeviceUnreachable(GroupNLError):
    """The device does not answer, refuses us, is not the machine we know, or cannot run Python."""

    exit_code = 3


class DeviceUnavailable(DeviceUnreachable):
    """The device cannot be used just now: the link broke, it did not answer in time, or it is starting or full."""

    transient = True


class NotBegun(DeviceUnavailable):
    """The link was lost before the device had begun a benchmark: nothing runs there, and nothing of it is kept."""


class VerificationFailed(GroupNLError):
    """A file is missing, truncated or altered: its digest is not the recorded one."""

    exit_code = 4


class NotAccepted(GroupNLError):
    """An artifact was pushed, and its device cannot try it yet: the runtime is missing there, or too old."""

    exit_code = 3


class AnswersRefused(VerificationFailed):
    """An artifact was pushed, and its device does not compute the answers that it was proved with."""


class MeasurementInvalid(GroupNLError):
    """A measurement was made that must not be reported as one."""

    exit_code = 6


class Regression(GroupNLError):
    """A comparison shows that B breaks a rule of the user's against A."""

    exit_code = 7


class CommandNotRun(GroupNLError):
    """A command that was to be measured is not there (127) or is no program (126), as a shell has it."""

    def __init__(self, message: str, remedy: str, exit_code: int) -> None:
        super().__init__(message, remedy)
        self.exit_code = exit_code


class DeviceFault(GroupNLError):
    """The agent on the device could not do what was asked and said why."""


class DeviceBusy(DeviceFault):
    """Another push or benchmark has the device, and did not end while we waited."""

    transient = True


class NoNativeLibrary(GroupNLError):
    """This installation has no library of native operators for a machine, and cannot build one."""


class DiskFull(GroupNLError):
    """No space left, here or on the device."""


def says_no_memory(error: BaseException) -> bool:
    """Whether an error is that of memory that ran out, in Python or in PyTorch's allocator for the CPU."""
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and _TORCH_HAS_NONE in str(error))


class TrainingDiverged(GroupNLError):
    """The loss became NaN or infinite."""
