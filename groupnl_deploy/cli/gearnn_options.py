"""The options of `groupnl train --method gearnn`."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from groupnl_deploy.errors import UsageError
from groupnl_deploy.growth.choices import Residual, Select
from groupnl_deploy.images.source import base_name
from groupnl_deploy.models.spec import ModelSpec
from groupnl_deploy.training.launch import is_launched
from groupnl_deploy.training.recipe import Recipe
from groupnl_deploy.training.recipe_changes import RecipeChanges
from groupnl_deploy.words import command_line, known_word

if TYPE_CHECKING:
    from groupnl_deploy.training.gearnn import Gearnn

METHODS = ("gearnn",)
_CIFAR = ("cifar10", "cifar100")
_VIEWS = 3  # numbers of --wdj


@dataclass(frozen=True, kw_only=True)
class GearnnOptions:
    """What the user says of GEARnn; None is what was left unsaid."""

    method: Annotated[
        str | None,
        typer.Option(help="gearnn: train a narrow network, let it grow once, train it on (docs/growth.md)."),
    ] = None
    variant: Annotated[int | None, typer.Option(help="1: views of AugMix throughout; 2 (usual): at the end.")] = None
    w0: Annotated[int | None, typer.Option("--w0", help="Channels of every convolution of the backbone.")] = None
    gamma: Annotated[float | None, typer.Option(help="More channels by growth, as a share, such as 0.9.")] = None
    k_new: Annotated[int | None, typer.Option("--k-new", help="Candidates for new channels of each layer (70).")] = None
    e1: Annotated[int | None, typer.Option("--e1", help="Epochs before growth; the recipe's if left out.")] = None
    eg: Annotated[int | None, typer.Option("--eg", help="Passes over the images while growing (1).")] = None
    e2: Annotated[int | None, typer.Option("--e2", help="Epochs after growth.")] = None
    er: Annotated[int | None, typer.Option("--er", help="Epochs on views, behind those; 0 leaves them out.")] = None
    wdj: Annotated[
        str | None,
        typer.Option("--wdj", metavar="W,D,J", help="Chains, depth and views of AugMix (1,3,4, which is ERA)."),
    ] = None
    jsd: Annotated[float | None, typer.Option("--jsd", help="What the divergence of views counts (12).")] = None
    select: Annotated[Select | None, typer.Option(help="score is usual, see groupnl grow.")] = None
    residual: Annotated[Residual | None, typer.Option(help="inner is usual, see groupnl grow.")] = None
    multiple_of: Annotated[
        int | None, typer.Option("--multiple-of", metavar="4|8", help="Grown layers have a multiple of so many.")
    ] = None
    compat: Annotated[
        Literal["firefly"] | None, typer.Option(help="Grow as Firefly's released code does, see groupnl grow.")
    ] = None

    def _require_none(self) -> None:
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        said = [name for name, value in values.items() if value is not None]
        if said:
            option = f"--{said[0].replace('_', '-')}"
            raise UsageError(
                f"{option} says how a network grows, and without --method gearnn none does.",
                f"Add --method gearnn, or leave {option} out; groupnl grow lets a checkpoint grow.",
            )

    def changes(self, changes: RecipeChanges, dataset: str, init: Path | None, nproc: int) -> RecipeChanges:
        """What is changed of the recipe: on CIFAR it is GEARnn's, unless another is named.

        Raises `UsageError` for an unknown method, for epochs or views that are the phases' to say, for what a training
        that grows has no use for, and where an option of GEARnn's is said without `--method gearnn`.
        """
        if self.method is None:
            self._require_none()
            return changes
        known_word("method", self.method, METHODS)
        _require_phases(init, nproc)
        for name, instead in (("epochs", "--e1, --e2 and --er"), ("augmix", "--wdj"), ("jsd", "--jsd")):
            if getattr(changes, name) is not None:
                raise UsageError(f"With --method gearnn each phase has its own {name}.", f"Say {instead}.")
        if changes.recipe is None and base_name(dataset) in _CIFAR:
            return replace(changes, recipe="gearnn")
        return changes

    def backbone(self, spec: ModelSpec) -> ModelSpec:
        """The network with `w0` channels in every convolution; depthwise ones follow."""
        if self.w0 is None:
            return spec
        if self.w0 < 1:
            raise UsageError(f"--w0 is {self.w0}.", "Give 1 or more channels, such as --w0 45.")
        from groupnl_deploy.models.registry import with_one_width

        return with_one_width(spec, self.w0)

    def settings(self, recipe: Recipe) -> "Gearnn":
        """The phases. Raises `UsageError` without `--gamma`, `InvalidSetting` for numbers that are none."""
        from groupnl_deploy.growth.step import GrowthSettings
        from groupnl_deploy.training.gearnn import Gearnn

        if self.gamma is None:
            raise UsageError(
                "How far the network shall grow is not said.", "Say it as --gamma 0.9: 90 % more channels."
            )
        if self.eg is not None and self.eg < 1:
            raise UsageError(f"--eg is {self.eg}.", "Give 1 or more passes, such as --eg 1.")
        said: dict[str, Any] = {
            "k_new": self.k_new,
            "epochs": self.eg,
            "multiple_of": self.multiple_of,
            "compat": self.compat,
            "select": self.select,
            "residual": self.residual,
        }
        growth = GrowthSettings(self.gamma, seed=recipe.seed, **_said(said))
        epochs: dict[str, Any] = {
            name: recipe.epochs if value is None else value for name, value in self._epochs.items()
        }
        more: dict[str, Any] = {"variant": self.variant, "views": _views(self.wdj), "jsd": self.jsd}
        return Gearnn(growth=growth, **epochs, **_said(more))

    @property
    def _epochs(self) -> dict[str, int | None]:
        return {"e1": self.e1, "e2": self.e2, "er": self.er}


def _require_phases(init: Path | None, nproc: int) -> None:
    if init is not None:
        grow = command_line("grow", init, "--gamma", "0.9", "--out", "GROWN")
        raise UsageError(
            "--method gearnn begins with random weights, and --init names a checkpoint.",
            f"Leave --init out, or let that one grow: {grow}.",
        )
    if nproc > 1 or is_launched():
        raise UsageError(
            "--method gearnn grows in one process.",
            "Leave --nproc out, or take the phases one by one: groupnl train --nproc, groupnl grow, groupnl train "
            "--init --nproc.",
        )


def _said(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _views(text: str | None) -> tuple[int, int, int] | None:
    if text is None:
        return None
    parts = text.split(",")
    if len(parts) != _VIEWS or not all(part.strip().isdecimal() for part in parts):
        raise UsageError(f"--wdj is “{text}”, and must be three whole numbers.", "Write --wdj 1,3,4.")
    width, depth, views = map(int, parts)
    return width, depth, views
