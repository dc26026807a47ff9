"""What can go wrong between a meter and a joule.

::

    PowerError
    ├── MeterUnreachable     no such port, busy, no permission, unplugged, silence
    │   ├── AnotherMeter     a meter came back that is not the one before
    │   └── NoReading        a sensor's driver had no reading this time
    ├── MeterProtocolError   bytes arrived that are no KM003C packet, or not the one asked for
    ├── EndOfRecording       a replayed recording or a waveform has been read to its end
    ├── MeterSettingError    a meter name, a sign, a rate or a load that cannot be used
    ├── WindowNotCovered     no measurement at or before the window's start, or at or after its end
    ├── SampleGap            a hole among the measurements that touch the window
    ├── MeterTooFast         a meter that renewed its values faster than it was asked
    ├── HostSlept            a hole in a recording that its own clock does not show
    ├── TraceFormatError     a recording that cannot be read as one
    │   └── ImplausibleTrace one that can, with values or times in units that cannot be
    ├── MethodUnclear        rows that may be samples or changes, which make different joules
    └── TraceNotWritten      a recording that cannot be stored: folder missing, disk full, no permission
        └── TraceLost        its file was removed or replaced while it grew

Every error is one sentence of what happened (`message`) and one of what to do (`remedy`).
"""


class PowerError(Exception):
    """Base of this package's errors."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy


class MeterUnreachable(PowerError):
    """The meter's port is absent, busy, closed to us or unplugged, or the meter does not answer."""


class AnotherMeter(MeterUnreachable):
    """A meter is where the recording's meter was, and it is not that one."""


class NoReading(MeterUnreachable):
    """A sensor is there, and its driver gave no reading when it was asked."""


class MeterProtocolError(PowerError):
    """The bytes received cannot be the meter's answer."""


class EndOfRecording(PowerError):
    """A meter that replays has nothing more to give; what it gave is whole."""


class MeterSettingError(PowerError):
    """A meter, recorder or emulator was asked for with a setting that does not exist."""


class WindowNotCovered(PowerError):
    """The measurements do not enclose the window, so its energy is unknown."""


class SampleGap(PowerError):
    """Two neighbouring measurements are too far apart to integrate across."""


class MeterTooFast(PowerError):
    """A meter renewed its values faster than it was asked, so that not all of them were seen."""


class HostSlept(PowerError):
    """The host slept during a recording, and its clock stood still."""


class TraceFormatError(PowerError):
    """A recording lacks facts, columns or order, or holds values that are not numbers."""


class ImplausibleTrace(TraceFormatError):
    """A recording holds what no board does: its columns are in other units than their names say."""


class MethodUnclear(PowerError):
    """Nothing says whether a value holds until the next row or is a sample of a curve, and the joules differ."""


class TraceNotWritten(PowerError):
    """A recording could not be stored."""


class TraceLost(TraceNotWritten):
    """A recording was written, and its file is no longer where it was begun."""
