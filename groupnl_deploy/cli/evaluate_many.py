"""Several networks, or corrupted images: what `groupnl evaluate` shows, draws and keeps of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from groupnl_deploy.cli import console
from groupnl_deploy.deploy.named_devices import named_devices
from groupnl_deploy.errors import Stopped, UsageError
from groupnl_deploy.evaluation.alexnet import require_imagenet_c, require_usual
from groupnl_deploy.evaluation.asked import Asked
from groupnl_deploy.evaluation.record import FOLDER, EvaluationRecord, SubjectRecord, keep_new, load_evaluation
from groupnl_deploy.evaluation.robustness import USUAL
from groupnl_deploy.progress import Reporter

if TYPE_CHECKING:
    from groupnl_deploy.evaluation.contender import Contender


@dataclass(frozen=True)
class Many:
    """What is evaluated, how, and where it goes.

    Args:
        folders: of networks.
        kept: folders of evaluations that are shown beside them.
        asked: which images.
        devices: that answer for every artifact, too.
        wait_s: how long whatever else runs on a device is waited for.
        alexnet: whether AlexNet's errors divide those of the networks as well.
        out: the folder that keeps the records; None is `runs/evaluations` where images are corrupted, else none.
        heatmap: the picture to draw, in the format `drawn_as`.
        json: whether a document is shown in place of tables.
    """

    folders: tuple[Path, ...]
    kept: tuple[Path, ...]
    asked: Asked
    devices: tuple[str, ...]
    wait_s: float
    alexnet: bool
    out: Path | None
    heatmap: Path | None
    drawn_as: str | None
    json: bool

    @property
    def keeps(self) -> Path:
        """The folder of records, where any are kept."""
        return self.out or Path("runs") / FOLDER


def evaluate_many(many: Many) -> None:
    """Evaluate, keep, draw, show. At Ctrl-C what came to its end is kept and shown all the same."""
    if many.devices:
        named_devices(many.devices, ())  # refuses unknown ones before anything is loaded
    if many.alexnet and many.folders:
        require_imagenet_c(many.asked.dataset or "the networks' own images", "published")
        require_usual(many.asked.corruptions or USUAL, many.asked.severities)
    if many.folders and many.heatmap is not None and not many.asked.corrupted:
        raise UsageError("A heat map is of corrupted images, and none are asked for.", "Add --corruptions all.")
    kept = [load_evaluation(path) for path in many.kept]
    try:
        found = _evaluated(many) if many.folders else ()
    except KeyboardInterrupt as error:
        found = getattr(error, "records", ())
        if not found:
            raise
        files = _keep(found, many)
        _deliver([*found, *kept], many, files)
        where = f"What came to its end is in {', '.join(map(str, files))}"
        raise Stopped(f"{where}; its means say what they are of. The same command goes on behind it.") from error
    files = _keep(found, many)
    _deliver([*found, *kept], many, files)


def _evaluated(many: Many) -> tuple[EvaluationRecord, ...]:
    from groupnl_deploy.evaluation.contender import clean_record

    reporter = console.TerminalReporter()
    contenders = list(_contenders(many, reporter))
    _require_once(contenders)
    if not many.asked.corrupted:
        from groupnl_deploy.evaluation.evaluate import evaluate_subject

        asked = many.asked
        return tuple(
            clean_record(one, evaluate_subject(one.subject, asked.dataset, asked.data, reporter)) for one in contenders
        )
    return _under_corruptions(contenders, many)


def _contenders(many: Many, reporter: Reporter) -> "Iterator[Contender]":
    """Every network here, then every artifact on every device."""
    from groupnl_deploy.evaluation.contender import contender, on_device

    here = [contender(folder, reporter) for folder in many.folders]
    artifacts = [one.subject.folder for one in here if one.subject.kind == "artifact"]
    if many.devices and not artifacts:
        raise UsageError(
            f"{many.devices[0]} can answer for artifacts, and none is named.",
            f"Export first: groupnl export {many.folders[0]} --out ARTIFACT, and name that.",
        )
    yield from here
    for device in many.devices:
        yield from (on_device(folder, device, reporter, many.wait_s) for folder in artifacts)


def _require_once(contenders: "Sequence[Contender]") -> None:
    """Raise `UsageError` for two folders that hold one thing."""
    seen: dict[SubjectRecord, Path] = {}
    for one in contenders:
        other = seen.setdefault(one.record, one.subject.folder)
        if other is not one.subject.folder:
            raise UsageError(
                f"{other} and {one.subject.folder} are the same {one.subject.kind}.", "Name each network once."
            )


def _under_corruptions(contenders: "Sequence[Contender]", many: Many) -> tuple[EvaluationRecord, ...]:
    """What cuts it short, such as a device that is lost for good, costs the part that it was at."""
    from groupnl_deploy.evaluation.chosen import choose
    from groupnl_deploy.evaluation.going_on import kept_of
    from groupnl_deploy.evaluation.side_by_side import evaluate_side_by_side

    def cut_short(records: tuple[EvaluationRecord, ...]) -> None:
        for path in _keep(records, many):
            console.say(f"Kept, as far as it came, and the same command goes on behind it: {path}")

    reporter = console.TerminalReporter()
    images = choose([one.subject for one in contenders], many.asked, reporter)
    console.say(f"{len(contenders)} × {len(images.parts)} parts: {images.record}.")
    before = kept_of([one.record for one in contenders], images, many.keeps)
    for path, record in filter(None, before):
        done = f"{len(record.corrupted)} of {record.asked} corrupted parts"
        console.say(f"Going on behind {done} that are kept in {path}.")
    records = [one and one[1] for one in before]
    return evaluate_side_by_side(contenders, images, reporter, many.asked.batch_size, cut_short, records)


def _keep(records: Sequence[EvaluationRecord], many: Many) -> tuple[Path, ...]:
    """Where they lie now."""
    if many.out is None and not many.asked.corrupted:
        return ()
    return tuple(keep_new(record, many.keeps) for record in records)


def _deliver(records: Sequence[EvaluationRecord], many: Many, files: Sequence[Path]) -> None:
    if many.heatmap is not None and many.drawn_as is not None:
        from groupnl_deploy.report.robustness_plot import draw_robustness
        from groupnl_deploy.workspace import write_atomically

        write_atomically(many.heatmap, draw_robustness([one for one in records if one.errors], many.drawn_as))
        console.say(f"Drawn: {many.heatmap}")
    if many.json:
        _show_document(records, many, files)
    else:
        _show(records, many)
    for path in files:
        console.say(f"Kept: {path}")


def _show(records: Sequence[EvaluationRecord], many: Many) -> None:
    from groupnl_deploy.report.evaluations import evaluation_notes, evaluation_sections

    for section in evaluation_sections(records, many.alexnet):
        console.show_prose(section.title)
        show = console.show_records if section.name == "evaluations" else partial(console.show_table, wraps=True)
        show(section.headings, section.rows)
        for note in section.notes:
            console.show_prose(note)
    for note in evaluation_notes(records):
        console.show_prose(note)


def _show_document(records: Sequence[EvaluationRecord], many: Many, files: Sequence[Path]) -> None:
    from groupnl_deploy.report.evaluations import evaluation_document, held_out_section

    held_out = held_out_section(records)
    places = [*map(str, files), *[None] * (len(records) - len(files) - len(many.kept)), *map(str, many.kept)]
    console.show_json(
        {
            "schema_version": 1,
            "evaluations": [
                {"file": place, **evaluation_document(record, many.alexnet)}
                for place, record in zip(places, records, strict=True)
            ],
            "held_out": None if held_out is None else held_out.data,
        }
    )
