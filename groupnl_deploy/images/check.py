"""What an own data set is and what is wrong with it, put together of what was listed, read and seen. Pure."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from groupnl_deploy.errors import UsageError
from groupnl_deploy.images.inspected import Inspected
from groupnl_deploy.images.listing import Listing, named, refusals, shown
from groupnl_deploy.images.own_files import OwnFiles
from groupnl_deploy.images.source import Shape
from groupnl_deploy.images.split import Part, draw_split
from groupnl_deploy.words import counted

Weight = Literal["stops", "warns", "odd"]
"""Keeps a network from being trained; makes its accuracy worth less; is only worth knowing."""

_WEIGHTS: tuple[Weight, ...] = ("stops", "warns", "odd")
_UNEQUAL = 10  # times as many images in one class as in another
_USUAL_SHARE = 0.9  # of images with one size: then others are odd
_LONG = 3  # times as long as wide: much is cut


@dataclass(frozen=True)
class Finding:
    """One remark.

    Args:
        weight: how heavy it is.
        kind: a few words that scripts may go by.
        text: a sentence without its full stop.
        files: whom it is about; those that belong together stand together.
        reasons: of each of `files`, where each has its own.
        remedy: what to do; empty where nothing need be done.
    """

    weight: Weight
    kind: str
    text: str
    files: tuple[tuple[str, ...], ...] = ()
    reasons: tuple[str, ...] = ()
    remedy: str = ""


@dataclass(frozen=True)
class ClassCount:
    """How many images of a class are trained and tested on; None before the split is known."""

    name: str
    images: int
    train: int | None
    test: int | None


@dataclass(frozen=True)
class FolderCheck:
    """All that a check found.

    Args:
        root: where the images lie.
        sha256: of images and labels; what checkpoints are compared by.
        parts: who says what is tested on.
        classes: counts, by label.
        sizes: width and height with how many images have it, the most frequent first.
        formats: with how many.
        findings: the heaviest first.
    """

    root: str
    sha256: str
    parts: Literal["the folder", "the seed", "nobody"]
    classes: tuple[ClassCount, ...]
    sizes: tuple[tuple[int, int, int], ...]
    formats: tuple[tuple[str, int], ...]
    findings: tuple[Finding, ...]

    @property
    def stops(self) -> tuple[Finding, ...]:
        """What keeps a network from being trained."""
        return tuple(finding for finding in self.findings if finding.weight == "stops")


def check_of(
    files: OwnFiles, inspected: Sequence[Inspected], images_elsewhere: Collection[str], shape: Shape, seed: int
) -> FolderCheck:
    """Put it together.

    Args:
        files: what was listed, with digests.
        inspected: each of these files, in their order.
        images_elsewhere: images among the files that are passed over, by their content.
        shape: (C, H, W) that they are to become.
        seed: of the split, where the folder has none.
    """
    listing = files.listing
    parts, refused = parts_of(files, seed)
    findings = [
        *_refused([*refusals(listing), *refused]),
        *_damaged(inspected),
        *_equal(files, inspected, parts),
        *_counts(listing, parts),
        *_passed_over(listing, images_elsewhere),
        *_sizes(inspected, shape),
        *_oddities(inspected),
    ]
    whole = [one for one in inspected if not one.damaged]
    return FolderCheck(
        str(listing.root),
        files.sha256,
        "the folder" if listing.has_parts else "the seed" if parts else "nobody",
        tuple(_class_counts(listing, parts)),
        tuple((*size, count) for size, count in Counter(one.size for one in whole).most_common()),
        tuple(Counter(one.format for one in whole).most_common()),
        tuple(sorted(findings, key=lambda finding: _WEIGHTS.index(finding.weight))),
    )


def parts_of(files: OwnFiles, seed: int) -> tuple[list[Part], list[UsageError]]:
    """The part of each file, as a training has it; none where it cannot be split, and why."""
    listing = files.listing
    if listing.has_parts:
        return [file.part or "train" for file in listing.files], []
    try:
        split = draw_split(list(zip(files.digests, files.labels, strict=True)), listing.classes, seed)
    except UsageError as error:
        return [], [error] if len(listing.classes_of(None)) == len(listing.classes) else []
    drawn = {file.sha256: file.part for file in split.files}
    return [drawn[sha256] for sha256 in files.digests], []


def _class_counts(listing: Listing, parts: list[Part]) -> Iterator[ClassCount]:
    images = Counter(file.class_name for file in listing.files)
    sides = Counter((file.class_name, part) for file, part in zip(listing.files, parts, strict=False))
    for name in listing.classes:
        known = (sides[name, "train"], sides[name, "test"]) if parts else (None, None)
        yield ClassCount(name, images[name], *known)


def _refused(errors: Iterable[UsageError]) -> Iterator[Finding]:
    for error in errors:
        yield Finding("stops", "refused", error.message.removesuffix("."), remedy=error.remedy)


def _damaged(inspected: Iterable[Inspected]) -> Iterator[Finding]:
    damaged = [one for one in inspected if one.damaged]
    if damaged:
        reasons = tuple(one.damaged or "" for one in damaged)
        remedy = "Fetch them again, or take them out."
        yield Finding("stops", "damaged", f"Not to be decoded: {_count(damaged)}", _each(damaged), reasons, remedy)


def _equal(files: OwnFiles, inspected: Sequence[Inspected], parts: list[Part]) -> Iterator[Finding]:
    """The same picture twice, be it the same file or one that was saved anew: the worst of what that means."""
    groups: dict[str, list[int]] = defaultdict(list)
    for index, (one, sha256) in enumerate(zip(inspected, files.digests, strict=True)):
        groups[one.pixels or sha256].append(index)
    kinds: dict[str, list[tuple[str, ...]]] = defaultdict(list)
    for group in groups.values():
        members = [files.listing.files[index] for index in group]
        if len({file.class_name for file in members}) > 1:
            kind = "in several classes"
        elif parts and len({parts[index] for index in group}) > 1:
            kind = "on both sides"
        else:
            kind = "equal" if len({files.digests[index] for index in group}) == 1 else "saved anew"
        if len(group) > 1:
            kinds[kind].append(tuple(file.name for file in members))
    for kind, (weight, text, remedy) in _EQUAL.items():
        if kinds[kind]:
            yield Finding(weight, kind, f"{text}: {_count(kinds[kind], 'picture')}", tuple(kinds[kind]), (), remedy)


_EQUAL: dict[str, tuple[Weight, str, str]] = {
    "in several classes": ("warns", "The same picture in several classes", "Leave it in the class that it shows."),
    "on both sides": ("warns", "The same picture to train on and to test on", "Leave it on one side."),
    "saved anew": ("odd", "The same picture in files that differ", "Leave one of them."),
    "equal": ("odd", "The same file more than once", ""),
}


def _counts(listing: Listing, parts: list[Part]) -> Iterator[Finding]:
    counts = sorted((count.images, count.name) for count in _class_counts(listing, parts) if count.images)
    if counts and counts[-1][0] >= _UNEQUAL * counts[0][0]:
        (few, rare), (many, frequent) = counts[0], counts[-1]
        text = f"Very unequal classes: “{shown(frequent)}” has {many} images, “{shown(rare)}” {few}"
        yield Finding("warns", "unequal", text, remedy="Look at each class's own accuracy, not only at the mean.")
    untested = [count.name for count in _class_counts(listing, parts) if count.train and count.test == 0]
    if untested:
        yield Finding(
            "warns", "not tested", f"No image to test on: {named(untested)}", remedy="Put some into that part."
        )
    for note in listing.notes:
        yield Finding("warns", "left out", note.removesuffix("."))


def _passed_over(listing: Listing, images_elsewhere: Collection[str]) -> Iterator[Finding]:
    if images_elsewhere:
        text = f"Images that are left out: {_count(images_elsewhere)}"
        remedy = "Put them into a class folder, under names that end as their format does, such as .jpg."
        yield Finding("warns", "left out", text, tuple((name,) for name in images_elsewhere), (), remedy)
    kinds: dict[str, list[tuple[str, ...]]] = defaultdict(list)
    for file in listing.passed_over:
        if file.name not in images_elsewhere:
            kinds[file.why].append((file.name,))
    for why, names in kinds.items():
        yield Finding("odd", why, f"Passed over, {why}: {_count(names)}", tuple(names))


def _sizes(inspected: Sequence[Inspected], shape: Shape) -> Iterator[Finding]:
    whole = [one for one in inspected if not one.damaged]
    sizes = Counter(one.size for one in whole)
    _, height, width = shape
    small = [one for one in whole if one.size[0] < width or one.size[1] < height]
    long = [one for one in whole if max(one.size) > _LONG * min(one.size)]
    usual = sizes.most_common(1)[0] if sizes else ((0, 0), 0)
    other = [one for one in whole if sizes[one.size] == 1] if usual[1] >= _USUAL_SHARE * len(whole) else []
    size = "{}x{}".format(*usual[0])
    if small:
        yield Finding("odd", "small", f"Smaller than {width}x{height}, and enlarged: {_count(small)}", _each(small))
    if long:
        yield Finding("odd", "long", f"Very long, of which only the middle is seen: {_count(long)}", _each(long))
    if other:
        yield Finding(
            "odd", "other size", f"Of a size of its own, where most have {size}: {_count(other)}", _each(other)
        )


def _oddities(inspected: Sequence[Inspected]) -> Iterator[Finding]:
    misnamed = [one for one in inspected if one.misnamed]
    if misnamed:
        text = f"Of another format than the name says: {_count(misnamed)}"
        yield Finding(
            "odd", "misnamed", text, _each(misnamed), tuple(f"{one.name} is {one.format}" for one in misnamed)
        )
    for word in sorted({word for one in inspected for word in one.oddities}):
        those = [one for one in inspected if word in one.oddities]
        if word != "grey" or len(those) < len(inspected):
            yield Finding("odd", word, f"{word[0].upper()}{word[1:]}{_BECOMES[word]}: {_count(those)}", _each(those))


_BECOMES = {
    "CMYK": ", becomes RGB",
    "16 bit": ", scaled to 8",
    "grey": ", becomes RGB",
    "transparent": ", over white",
    "several pictures": ", of which the first is taken",
    "turned by EXIF": ", set upright",
    "of one colour": "",
}


def _each(inspected: Iterable[Inspected]) -> tuple[tuple[str, ...], ...]:
    return tuple((one.name,) for one in inspected)


def _count(things: Collection[object], word: str = "file") -> str:
    return counted(len(things), word)
