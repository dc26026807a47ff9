"""Images answered by an artifact that is opened once: the requests of one session, without what needs numpy."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from device_agent.errors import UPDATE_BOTH, BadRequest
from device_agent.lock import DeviceLock
from device_agent.messages.answers import AnswerImages, AnsweringOpened, ImagesAnswered, OpenAnswering
from device_agent.packages import imported

if TYPE_CHECKING:
    from device_agent.answerer import Answerer


class Answering:
    """What is open in one session: one artifact at most."""

    def __init__(self, root: Path, lock: DeviceLock) -> None:
        self._root, self._lock = root, lock
        self._open: Answerer | None = None

    def open(self, request: OpenAnswering) -> AnsweringOpened:
        """Verify an artifact and load it. Raises an `AgentError` for whatever the device cannot do."""
        self._lock.require_held("an evaluation")
        self._open = None  # a small board has no room for two
        answerer: Answerer = imported("device_agent.answerer", request.backend).open_answerer(request, self._root)
        self._open = answerer
        return answerer.opened

    def answer(self, request: AnswerImages, pieces: Iterable[bytes]) -> ImagesAnswered:
        """Show images to what is open. Raises `BadRequest` where nothing is, and for another number of bytes."""
        if self._open is None:
            raise BadRequest("No artifact was opened to answer images.", UPDATE_BOTH)
        return self._open.answer(_exactly(self._open.bytes_of(request.count), pieces), request.count)


def _exactly(count: int, pieces: Iterable[bytes]) -> bytes:
    """So many bytes, no more and no fewer; never more of them in memory than that and one piece."""
    data = bytearray()
    for piece in pieces:
        if len(data) + len(piece) > count:
            raise BadRequest(f"The images have {count:,} bytes, and more were sent.", UPDATE_BOTH)
        data += piece
    if len(data) < count:
        raise BadRequest(f"The images have {count:,} bytes, and {len(data):,} were sent.", UPDATE_BOTH)
    return bytes(data)
