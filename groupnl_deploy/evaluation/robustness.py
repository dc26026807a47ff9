"""What the errors under corruptions say together: corruption errors, their means, the categories. Pure.

Errors and accuracies are fractions, from 0 to 1. The mean corruption error is the plain mean over the corruptions, as
in the GroupNL paper's Tables 6 and 17; nothing is divided by another network's errors (`alexnet.py` does that).

A mean says in its name what it is the mean of. “mCE” is one of all nineteen corruptions, or of the usual fifteen, at
all five severities, and nothing less.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from statistics import fmean

from groupnl_deploy.images.corrupted import CATEGORIES, CORRUPTIONS, EXTRA, SEVERITIES, Category
from groupnl_deploy.words import counted

Errors = Mapping[str, Mapping[int, float]]
"""The top-1 error by corruption and severity."""

ALL = tuple(CORRUPTIONS)
USUAL = tuple(name for name in CORRUPTIONS if name not in EXTRA)
"""The fifteen that most publications mean."""

_KINDS = {"": ALL, "usual ": USUAL, "extra ": EXTRA}
_FEW = 4  # that are missing; more are not said, but what is there


@dataclass(frozen=True)
class NamedMean:
    """A mean, and in words what it is of. `whole` is whether everything that such a mean is usually of was measured."""

    name: str
    value: float
    whole: bool


@dataclass(frozen=True)
class CategoryAccuracy:
    """The mean accuracy of those corruptions of a category that were measured, so many `of` the category's."""

    category: Category
    accuracy: float
    corruptions: int
    of: int

    @property
    def whole(self) -> bool:
        """Whether all of them were."""
        return self.corruptions == self.of


@dataclass(frozen=True)
class Robustness:
    """What was measured of one network under corruptions.

    Args:
        severities: that each of `corruption_errors` was measured at.
        corruption_errors: of each corruption the mean over these severities.
        unfinished: corruptions that were not measured at all of them; they are in no mean.
        mean_error: over all of `corruption_errors`.
        usual_error: over those of them that are of the usual fifteen; None without one, or where that is the same mean.
        extra_error: over those that are not, likewise.
        categories: those of which a corruption was measured, the extra four filed with their kind.
        category_mean: the plain mean of the four categories' accuracies, as in the paper's Table 5; None where one is
            missing.
    """

    severities: tuple[int, ...]
    corruption_errors: dict[str, float]
    unfinished: tuple[str, ...]
    mean_error: NamedMean
    usual_error: NamedMean | None
    extra_error: NamedMean | None
    categories: tuple[CategoryAccuracy, ...]
    category_mean: NamedMean | None

    @property
    def mean_accuracy(self) -> float:
        """Over all corruptions and severities alike."""
        return 1 - self.mean_error.value


def robustness_of(errors: Errors) -> Robustness | None:
    """All of it; None where no corruption was measured at every severity that any was."""
    severities = tuple(sorted({severity for row in errors.values() for severity in row}))
    whole = {name: errors[name] for name in ALL if name in errors and len(errors[name]) == len(severities) > 0}
    if not whole:
        return None
    each = {name: fmean(row.values()) for name, row in whole.items()}
    usual, extra = ([name for name in each if name in among] for among in (USUAL, EXTRA))
    categories = tuple(_categories(each))
    return Robustness(
        severities,
        each,
        tuple(name for name in errors if name not in whole),
        mean_error(each, severities),
        mean_error({name: each[name] for name in usual}, severities, "usual ") if usual and extra else None,
        mean_error({name: each[name] for name in extra}, severities, "extra ") if usual and extra else None,
        categories,
        category_mean({one.category: one.accuracy for one in categories}, each, severities),
    )


def mean_error(each: Mapping[str, float], severities: Collection[int] = SEVERITIES, kind: str = "") -> NamedMean:
    """The plain mean of corruption errors.

    Args:
        each: by corruption.
        severities: over which each of them is a mean.
        kind: “usual ” or “extra ” for those that are not all that were measured.
    """
    known = {"mCE of 19": ALL, "mCE of 15": USUAL, "error of the extra 4": EXTRA}
    name = next((name for name, among in known.items() if set(among) == set(each)), None)
    if name is not None and set(severities) == set(SEVERITIES):
        return NamedMean(name, fmean(each.values()), True)
    return NamedMean(f"mean error of {_briefly(each, severities, kind)}", fmean(each.values()), False)


def category_mean(
    accuracies: Mapping[Category, float], corruptions: Collection[str] = ALL, severities: Collection[int] = SEVERITIES
) -> NamedMean | None:
    """The plain mean of four categories, not weighted by their corruptions; None where one of them is missing.

    Args:
        accuracies: by category.
        corruptions: that these are means of.
        severities: at which they were measured.
    """
    if set(accuracies) != set(CATEGORIES):
        return None
    value = fmean(accuracies[category] for category in CATEGORIES)
    if set(severities) == set(SEVERITIES) and set(corruptions) in (set(ALL), set(USUAL)):
        return NamedMean("mAcc" if len(corruptions) == len(ALL) else "mAcc of 15", value, True)
    return NamedMean(f"mean of the four categories, of {_briefly(corruptions, severities)}", value, False)


def held_out_mean(accuracies: Mapping[str, float]) -> NamedMean:
    """The plain mean of accuracies on what was held out of each training, by its name, as in the paper's Table 7."""
    what = f"mean of {len(accuracies)} held out: {', '.join(accuracies)}"
    return NamedMean(what, fmean(accuracies.values()), len(accuracies) > 1)


def measured(corruptions: Collection[str], severities: Collection[int]) -> str:
    """Such as “18 corruptions (all but fog) at severities 1 to 5”: equal for what can be compared, and only then."""
    return f"{which(corruptions)} at {severities_text(severities)}"


def which(corruptions: Collection[str], kind: str = "") -> str:
    """Such as “19 corruptions”, “18 corruptions (all but fog)”, “5 corruptions (noise, fog)”: equal for equal ones.

    Args:
        corruptions: some of the nineteen.
        kind: “usual ” or “extra ” where they are some of those.
    """
    chosen, among = set(corruptions), _KINDS[kind]
    what = counted(len(chosen), f"{kind}corruption")
    missing = [name for name in among if name not in chosen]
    if not missing:
        return what
    if chosen == set(USUAL):
        return f"{what} (the usual)"
    if len(missing) <= _FEW < len(chosen):
        return f"{what} (all but {', '.join(missing)})"
    return f"{what} ({', '.join(_in_short(chosen))})"


def _in_short(chosen: Collection[str]) -> Iterable[str]:
    """The categories that are there as a whole, then the other names."""
    whole = [one for one in CATEGORIES if all(name in chosen for name in ALL if CORRUPTIONS[name] == one)]
    yield from whole
    yield from (name for name in ALL if name in chosen and CORRUPTIONS[name] not in whole)


def _briefly(corruptions: Collection[str], severities: Collection[int], kind: str = "") -> str:
    """The same without severities where all of them were measured."""
    what = which(corruptions, kind)
    return what if set(severities) == set(SEVERITIES) else f"{what} at {severities_text(severities)}"


def severities_text(severities: Iterable[int]) -> str:
    """Such as “severities 1 to 5”, “severity 3”, “severities 1, 3”."""
    found = sorted(set(severities))
    if len(found) == 1:
        return f"severity {found[0]}"
    row = len(found) > 2 and found == list(range(found[0], found[-1] + 1))
    return f"severities {f'{found[0]} to {found[-1]}' if row else ', '.join(map(str, found))}"


def _categories(each: Mapping[str, float]) -> Iterable[CategoryAccuracy]:
    for category in CATEGORIES:
        of = [name for name, kind in CORRUPTIONS.items() if kind == category]
        found = [1 - each[name] for name in of if name in each]
        if found:
            yield CategoryAccuracy(category, fmean(found), len(found), len(of))
