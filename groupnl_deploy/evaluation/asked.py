"""What an evaluation is asked for, and the words for it. Imports nothing slow, so that a wrong word shows at once."""

import re
from dataclasses import dataclass

from groupnl_deploy.errors import InvalidSetting, UsageError
from groupnl_deploy.evaluation.robustness import ALL, USUAL
from groupnl_deploy.images.corrupted import CATEGORIES, CORRUPTIONS, EXTRA, SEVERITIES
from groupnl_deploy.images.corrupted_datasets import CORRUPTED_DATASETS
from groupnl_deploy.words import known_word

_GROUPS: dict[str, tuple[str, ...]] = {
    "all": ALL,
    "usual": USUAL,
    "extra": EXTRA,
    **{category: tuple(name for name, kind in CORRUPTIONS.items() if kind == category) for category in CATEGORIES},
}


@dataclass(frozen=True)
class Asked:
    """Which images, and how they are corrupted.

    Args:
        dataset: its name, of a published corrupted one too; None is what the networks were trained on.
        data: where it lies.
        clean: where the ordinary test images of a published corrupted data set lie; None leaves the clean accuracy out.
        corruptions: keys of `CORRUPTIONS`; None is none of an ordinary data set, and all of a corrupted one.
        severities: from 1 to 5.
        seed: of what is drawn: the corruptions that are made here, and which `images` are taken.
        frost: a folder with the authors' photographs of frost, for the corruptions that are made here.
        images: how many of them; None is all.
        batch_size: images at once; None is as many as their size allows.
    """

    dataset: str | None = None
    data: str | None = None
    clean: str | None = None
    corruptions: tuple[str, ...] | None = None
    severities: tuple[int, ...] = SEVERITIES
    seed: int = 0
    frost: str | None = None
    images: int | None = None
    batch_size: int | None = None

    def __post_init__(self) -> None:
        for name, least in (("images", 1), ("batch_size", 1), ("seed", 0)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise InvalidSetting(
                    f"{{{name}}} is {value}, which is less than {least}.",
                    f"Give at least {least}, or leave it out.",
                    name,
                )
        if self.clean is not None and not self.published:
            raise UsageError(
                "--clean is where the ordinary test images of a published corrupted data set lie, and "
                f"{self.dataset or 'what the network was trained on'} has its own.",
                f"Leave --clean out, or name one of {', '.join(CORRUPTED_DATASETS) or 'those'} as --dataset.",
            )

    @property
    def published(self) -> bool:
        """Whether the corrupted images lie in files."""
        return self.dataset in CORRUPTED_DATASETS

    @property
    def corrupted(self) -> bool:
        """Whether there is more to ask than clean images."""
        return self.published or self.corruptions is not None


def corruptions_of(text: str) -> tuple[str, ...]:
    """Those that a text such as “fog,noise” names, in the order of `CORRUPTIONS`: by name, or by a group of them.

    Raises `UsageError` for an unknown one, with the nearest.
    """
    words = [word for word in re.split(r"[\s,]+", text.strip()) if word]
    if not words:
        raise UsageError("No corruption is named.", "Write all, usual (the fifteen without the extra four), or names.")
    chosen: set[str] = set()
    for word in words:
        chosen |= set(
            _GROUPS.get(word) or (known_word("corruption", word.replace("-", "_"), (*_GROUPS, *CORRUPTIONS)),)
        )
    return tuple(name for name in CORRUPTIONS if name in chosen)


def severities_of(text: str) -> tuple[int, ...]:
    """Those of a text such as “1-5”, “3” or “1,3,5”. Raises `UsageError`."""
    found: set[int] = set()
    for part in text.split(","):
        ends = re.fullmatch(r"\s*(\d)\s*(?:-\s*(\d)\s*)?", part)
        row = range(int(ends[1]), int(ends[2] or ends[1]) + 1) if ends else range(0)
        if not row or not set(row) <= set(SEVERITIES):
            raise UsageError(
                f"“{text}” are no severities: they are whole numbers from {SEVERITIES[0]} to {SEVERITIES[-1]}.",
                "Write one such as 3, several such as 1,3,5, or a row such as 1-5.",
            )
        found |= set(row)
    return tuple(sorted(found))
