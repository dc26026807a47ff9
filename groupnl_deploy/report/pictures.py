"""Pictures as bytes of a file, so that nothing half-drawn ever reaches the disk."""

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PICTURE_FORMATS = ("png", "pdf", "svg")
DOTS_PER_INCH = 120


def picture_bytes(figure: "Figure", format: str) -> bytes:
    """The figure in one of `PICTURE_FORMATS`."""
    stream = io.BytesIO()
    figure.savefig(stream, format=format, dpi=DOTS_PER_INCH)
    return stream.getvalue()
