"""The only door to timm, and to torchvision behind it: the extra `train`.

timm imports torchvision, whose compiled part is built for one version of PyTorch, most often with CUDA, and loads in no
other: the import ends with "operator torchvision::nms does not exist". Only detection calls these operators. Their
signatures are declared then, and the part of torchvision that is Python is imported.
"""

import importlib
import importlib.util
import sys
from types import ModuleType
from typing import Any

from groupnl_deploy.errors import UsageError
from groupnl_deploy.training.recipe import Recipe

_OPERATORS = ("nms", "qnms")
_SIGNATURE = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
_declared: list[Any] = []  # a library's operators last as long as the object does
INSTALL = "Install it: pip install 'groupnl-deploy[train]', or in a checkout make zoo."


def timm_module(name: str) -> ModuleType:
    """A module of timm's or torchvision's. Raises `UsageError` with the command that installs them."""
    try:
        import_torchvision()
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise UsageError(f"This recipe needs timm, and {error.name} is not there.", INSTALL) from error
    except Exception as error:  # of other packages, whose versions may not go together
        raise UsageError(
            f"This recipe needs timm, which cannot be imported: {type(error).__name__}: {error}.", INSTALL
        ) from error


def import_torchvision() -> ModuleType:
    """torchvision; without its compiled part where this PyTorch does not load that."""
    try:
        return importlib.import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
    import torch

    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        del sys.modules[name]  # half imported
    library: Any = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
    for operator in _OPERATORS:
        if not hasattr(torch.ops.torchvision, operator):
            library.define(operator + _SIGNATURE)
    _declared.append(library)
    return importlib.import_module("torchvision")


_WITHOUT = "choose a recipe that needs none: digits, images, cifar, icons50, finetune"
_WITHOUT_VIEWS = "train on no views: leave augmix out, and with --method gearnn give --er 0"


def require_timm(recipe: Recipe) -> None:
    """Raise `UsageError` where a recipe needs timm and it is not there; nothing is imported."""
    missing = [name for name in ("timm", "torchvision") if importlib.util.find_spec(name) is None]
    if missing and (asked := needs_timm(recipe)):
        raise UsageError(
            f"The recipe's {', '.join(asked)} are by timm, and {' and '.join(missing)} "
            f"{'are' if len(missing) > 1 else 'is'} not there.",
            f"{INSTALL} Or {_WITHOUT_VIEWS if asked == ('augmix',) else _WITHOUT}.",
        )


def needs_timm(recipe: Recipe) -> tuple[str, ...]:
    """The fields of a recipe that ask for something of timm's."""
    asked = {
        "optimiser": recipe.optimiser == "rmsproptf",
        "schedule": recipe.schedule not in ("cosine", "multistep"),
        "augmentation": recipe.augmentation == "random_resized_crop",
        "rand_augment": recipe.rand_augment is not None,
        "erasing": recipe.erasing > 0,
        "mixup": recipe.mixup > 0,
        "cutmix": recipe.cutmix > 0,
        "augmix": recipe.augmix is not None,
    }
    return tuple(name for name, needed in asked.items() if needed)
