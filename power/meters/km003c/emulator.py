"""A KM003C on a pseudo-terminal, with a load whose energy is known exactly.

It measures as the meter does (`emulated_adc.py`) and keeps every byte it received, so that tests can prove what
a reader sent. A reader recognises the pseudo-terminal and marks everything it records as emulated.
"""

import math
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from power.errors import MeterSettingError
from power.meters.km003c import protocol
from power.meters.km003c.adc import pack_adc
from power.meters.km003c.emulated_adc import AdcModel, EmulatedAdc
from power.meters.km003c.emulated_line import EmulatedLine, LineBehaviour, RequestListener
from power.meters.km003c.emulated_load import LoadHistory, LoadPoint
from power.meters.km003c.emulated_port import EmulatedPort
from power.temporary import LockedFolder

# As udev names a meter's port under /dev/serial/by-id; this one says what it is.
STABLE_NAME = "usb-ChargerLAB_POWER-Z_KM003C_emulated-if01"
_FOLDER_PREFIX = "groupnl-emulator-"


@dataclass(frozen=True)
class CableTimes:
    """When the cable is pulled and put back, in seconds after the emulator's beginning; None is never.

    Raises `MeterSettingError` for a cable that is put back before it was pulled, and for times that no timer reaches.
    """

    unplug_at_s: float | None = None
    replug_at_s: float | None = None

    def __post_init__(self) -> None:
        if self.unplug_at_s is not None and not 0.0 <= self.unplug_at_s <= threading.TIMEOUT_MAX:
            raise MeterSettingError(
                f"The cable cannot be pulled at {self.unplug_at_s} s.",
                "Give a time in seconds, from zero to what a timer can wait for.",
            )
        pulled_s = math.inf if self.unplug_at_s is None else self.unplug_at_s
        if self.replug_at_s is not None and not pulled_s < self.replug_at_s <= threading.TIMEOUT_MAX:
            raise MeterSettingError(
                f"The cable cannot be put back at {self.replug_at_s} s.",
                "Give a time after that of pulling it, no later than a timer can wait for.",
            )


class Km003cEmulator:
    """An emulated meter, answering on `port` from construction until `close()` or the end of a `with` block.

    The load is steady until `set_load`, or follows `script`, whose instants count from the emulator's
    beginning: its construction or, with `start_on_first_poll`, the first GET_DATA. `cable` pulls the cable and
    puts it back by itself. Raises `MeterSettingError` for a load that does not fit the meter's packet.
    """

    def __init__(
        self,
        voltage_v: float = 5.1,
        current_a: float = 0.0,
        *,
        script: LoadHistory | None = None,
        adc: AdcModel | None = None,
        line: LineBehaviour | None = None,
        cable: CableTimes | None = None,
        start_on_first_poll: bool = False,
    ) -> None:
        self._script = script or LoadHistory([LoadPoint(0.0, voltage_v, current_a)])
        self._model = adc or AdcModel()
        self._line = EmulatedLine(line or LineBehaviour())
        self._cable = cable or CableTimes()
        self._listener = RequestListener()
        self._received = bytearray()
        self._state = threading.Lock()  # of the load, the beginning and what was received
        self._plug = threading.RLock()  # of the cable
        self._timers: list[threading.Timer] = []
        self._pty: EmulatedPort | None = None
        self._folder = LockedFolder(_FOLDER_PREFIX)
        self._begin(time.monotonic(), awaits_first_poll=start_on_first_poll)
        self.replug()

    @property
    def port(self) -> str:
        """Path of the pseudo-terminal of now; another one after each replugging. Empty while unplugged."""
        with self._plug:
            return self._pty.path if self._pty else ""

    @property
    def stable_port(self) -> str:
        """A path that stays the same: it leads to `port`, and to nothing while unplugged."""
        return str(self._folder.path / STABLE_NAME)

    @property
    def received(self) -> bytes:
        """Every byte that any reader has sent so far."""
        with self._state:
            return bytes(self._received)

    @property
    def requests(self) -> int:
        """How many times GET_DATA has come so far."""
        with self._state:
            return self._listener.requests

    @property
    def other_bytes(self) -> int:
        """How many bytes came that were no GET_DATA: none, where the reader is a good one."""
        with self._state:
            return self._listener.other_bytes

    @property
    def began_s(self) -> float:
        """The instant on `time.monotonic()` from which the script counts."""
        with self._state:
            return self._began_s

    def set_load(self, voltage_v: float, current_a: float) -> float:
        """Change the load now; returns the instant on `time.monotonic()`.

        Raises `MeterSettingError` for a load that does not fit the meter's packet or while a script gives it.
        """
        with self._state:
            point = LoadPoint(time.monotonic(), voltage_v, current_a)
            self._load.append(point)
        return point.t_s

    def true_energy_j(self, start_monotonic_s: float, end_monotonic_s: float) -> float:
        """Exact joules of the load between two instants of `time.monotonic()`.

        The first load is taken to have held before the emulator began, the latest to hold from now on. Raises
        `WindowNotCovered` for a window without duration.
        """
        with self._state:
            return self._load.energy_j(start_monotonic_s, end_monotonic_s)

    def unplug(self) -> None:
        """Vanish as a meter does whose cable is pulled; harmless when called again."""
        with self._plug:
            if self._pty is not None:
                # The link goes first: the terminal's number may belong to another program a moment later.
                Path(self.stable_port).unlink()
                self._pty.close()
                self._pty = None

    def replug(self) -> None:
        """Come back on a new pseudo-terminal behind the same stable path; harmless while plugged in or closed."""
        with self._plug:
            if self._pty is None and self._folder.path.is_dir():
                self._pty = EmulatedPort(self._answer)
                Path(self.stable_port).symlink_to(self._pty.path)

    def close(self) -> None:
        """Stop answering and remove the port; harmless when called again."""
        with self._plug:
            for timer in self._timers:
                timer.cancel()
            self.unplug()
            self._folder.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _begin(self, now_s: float, awaits_first_poll: bool) -> None:
        self._began_s = now_s
        self._awaits_first_poll = awaits_first_poll
        self._load = self._script.shifted(now_s)
        self._adc = EmulatedAdc(self._load, self._model, now_s)
        if not awaits_first_poll:
            self._timers += _timer(self._cable.unplug_at_s, self.unplug) + _timer(self._cable.replug_at_s, self.replug)

    def _answer(self, data: bytes) -> Iterator[tuple[float, bytes]]:
        with self._state:
            self._received += data
            requests = self._listener.feed(data)
            if requests and self._awaits_first_poll:
                self._begin(time.monotonic(), awaits_first_poll=False)
        for request in requests:
            with self._state:
                now_s = time.monotonic()
                reply, since_began_s = self._reply(request, now_s), now_s - self._began_s
            yield from self._line.send(reply, since_began_s)

    def _reply(self, request: protocol.Request, now_s: float) -> bytes:
        blocks = []
        if request.attributes & protocol.ADC:
            payload = pack_adc(self._adc.block(now_s), self._model.block_bytes)
            blocks.append(protocol.Block(protocol.ADC, payload))
        return protocol.data_reply(request.request_id, blocks, self._model.bits_16_21)


def _timer(at_s: float | None, action: Callable[[], None]) -> list[threading.Timer]:
    """A timer that runs, or none."""
    if at_s is None:
        return []
    timer = threading.Timer(at_s, action)
    timer.daemon = True
    timer.start()
    return [timer]
