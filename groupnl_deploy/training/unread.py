"""Which fields of a recipe nothing reads, because of what others say: they do nothing, and are not shown. Pure."""

from collections.abc import Callable

from groupnl_deploy.training.recipe import Recipe

_MIRRORING = ("shift_flip", "crop_flip_jitter", "random_resized_crop")
_Why = Callable[[Recipe], str | None]


def unread_fields(recipe: Recipe) -> dict[str, str]:
    """Every field that nothing reads, with the reason, such as “with adamw”."""
    reasons = ((fields, why(recipe)) for fields, why in _REASONS)
    return {name: reason for fields, reason in reasons if reason is not None for name in fields}


def _unless_augmented_by(*words: str) -> _Why:
    return lambda recipe: None if recipe.augmentation in words else f"with the augmentation {recipe.augmentation}"


def _unless_scheduled_by(*words: str) -> _Why:
    return lambda recipe: None if recipe.schedule in words else f"with the schedule {recipe.schedule}"


def _of_sgd(recipe: Recipe) -> str | None:
    return None if recipe.optimiser == "sgd" else f"with {recipe.optimiser}"


def _of_squares(recipe: Recipe) -> str | None:
    return "with sgd" if recipe.optimiser == "sgd" else None


def _of_warmup(recipe: Recipe) -> str | None:
    return None if recipe.warmup_epochs else "without a warm-up"


def _of_views(recipe: Recipe) -> str | None:
    return None if recipe.augmix is not None and recipe.augmix[2] else "without several views (augmix)"


def _of_view(recipe: Recipe) -> str | None:
    return None if recipe.test_crop is not None else "without a test_crop"


_REASONS: tuple[tuple[tuple[str, ...], _Why], ...] = (
    (("nesterov",), _of_sgd),
    (("square_decay", "optimiser_eps"), _of_squares),
    (("warmup_lr",), _of_warmup),
    (("min_lr",), _unless_scheduled_by("cosine", "epoch_cosine")),
    (("cooldown_epochs",), _unless_scheduled_by("epoch_cosine")),
    (("decay_rate",), _unless_scheduled_by("multistep", "epoch_step")),
    (("decay_epochs",), _unless_scheduled_by("epoch_step")),
    (("lr_noise",), _unless_scheduled_by("epoch_cosine", "epoch_step")),
    (("max_shift_pixels",), _unless_augmented_by("shift", "shift_flip")),
    (("jitter",), _unless_augmented_by("crop_flip_jitter")),
    (("crop_scale",), _unless_augmented_by("random_resized_crop")),
    (("jsd",), _of_views),
    (("test_interpolation",), _of_view),
    (("flip",), _unless_augmented_by(*_MIRRORING)),
)
