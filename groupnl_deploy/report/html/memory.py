"""What memory was taken, as bars: by interpreter and runtime, by the model, by inference. Pure."""

from collections.abc import Iterator, Sequence

from groupnl_deploy.report.html.markup import Markup, element
from groupnl_deploy.report.html.svg import Frame, Scale, axes, dot, picture, room
from groupnl_deploy.report.html.tags import Tag
from groupnl_deploy.report.row import ReportRow

NOTE = (
    "From left to right: interpreter and runtime before the model (hollow), what loading the model added (full), and "
    "what inference added at the most (pale). The number is the peak, which loading may have had for a moment."
)
_BAR, _GAP = 18.0, 8.0


def memory_bars(rows: Sequence[ReportRow], tags: Sequence[Tag]) -> Markup:
    """A bar for each row that has any; empty where none has."""
    found = [(tag, row) for tag, row in zip(tags, rows, strict=True) if row.memory_mb is not None]
    if not found:
        return Markup("")
    frame = Frame(width=520, height=64 + len(found) * (_BAR + _GAP), left=40, top=8)
    across = frame.across(*room([row.memory_mb or 0.0 for _, row in found], from_zero=True))
    said = "; ".join(f"{tag.text}: peak {row.memory_mb:.1f} MB" for tag, row in found)
    places = (frame.top + place * (_BAR + _GAP) for place in range(len(found)))
    bars = (_bar(tag, row, y, across) for y, (tag, row) in zip(places, found, strict=True))
    grid = axes(frame, across, None, ("Resident memory of the agent's process (MB)", ""))
    return picture(frame, f"Memory. {said}", grid, *bars)


def _bar(tag: Tag, row: ReportRow, y: float, across: Scale) -> Markup:
    number = element("text", tag.text, class_="tick", x=dot(across.begin - 8), y=dot(y + 13), text_anchor="end")
    peak = element(
        "text", f"{row.memory_mb:.0f}", class_="tick", x=dot(across.at(row.memory_mb or 0) + 5), y=dot(y + 13)
    )
    return element("g", number, *_parts(tag, row, y, across), peak)


def _parts(tag: Tag, row: ReportRow, y: float, across: Scale) -> Iterator[Markup]:
    begin_mb = 0.0
    loaded_mb, working_mb = row.memory_after_load_mb, row.working_set_mb
    ends = (
        ("hollow", "interpreter and runtime", row.memory_after_import_mb),
        ("fill", "model", loaded_mb),
        ("fill pale", "inference", None if loaded_mb is None or working_mb is None else loaded_mb + working_mb),
    )
    for kind, words, end_mb in ends:
        if end_mb is None or end_mb <= begin_mb:
            continue
        yield element(
            "rect",
            element("title", f"{row.run}: {words} {end_mb - begin_mb:.1f} MB, {end_mb:.1f} MB with it"),
            class_=f"{kind} {tag.colour}",
            x=dot(across.at(begin_mb)),
            y=dot(y),
            width=dot(across.at(end_mb) - across.at(begin_mb)),
            height=_BAR,
        )
        begin_mb = end_mb
