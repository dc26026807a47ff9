"""The option that names a network in a file of the user's own, and what is said of such a network."""

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from groupnl_deploy.cli import console
from groupnl_deploy.cli.conv_options import ConvOptions, tell_departure
from groupnl_deploy.errors import UsageError
from groupnl_deploy.models.own import CodeChanged, CodeNotLoaded
from groupnl_deploy.models.spec import ModelSpec
from groupnl_deploy.words import command_line, first_few, sentence

if TYPE_CHECKING:
    from groupnl_deploy.own_code.spec import OwnNetwork

_FEW = 3  # names of a note
_AS_ONNX = "Leave --format out: such a network goes to a device as ONNX."

Module = Annotated[
    str | None,
    typer.Option(
        "--module",
        metavar="FILE.py:FUNCTION",
        help="A network of your own in place of a name; also package.module:FUNCTION. The file is run, here alone.",
    ),
]
ModuleAgain = Annotated[
    str | None,
    typer.Option(
        "--module", metavar="FILE.py:FUNCTION", help="The code again, of a checkpoint that your own code made."
    ),
]
ModuleForExport = Annotated[
    str | None,
    typer.Option(
        "--module",
        metavar="FILE.py:FUNCTION",
        help="A network of your own, untrained; with a checkpoint that it made, its code again.",
    ),
]
OwnClasses = Annotated[int | None, typer.Option("--classes", help="Of --module: outputs; else its function's own.")]
OwnImage = Annotated[
    str | None,
    typer.Option("--input", metavar="C,H,W", help="Of --module: one image, such as 3,32,32; 3,224,224 if nobody says."),
]


def require_one_network(name: str | None, module: str | None, option: str = "NAME") -> None:
    """Raise `UsageError` unless the user named exactly one network, ours or theirs."""
    if name is not None and module is not None:
        raise UsageError(f"{name} and --module {module} are two networks.", "Leave one of the two out.")
    if name is not None and (name.endswith(".py") or ".py:" in name):
        word = name if ":" in name else f"{name}:FUNCTION"
        raise UsageError(f"{name} is code, and no name of a network.", f"Give it as --module {word}.")
    if name is None and module is None:
        raise UsageError(
            "No network is named.",
            f"Give {option} from groupnl models list, or --module FILE.py:FUNCTION for your own.",
        )


@dataclass(frozen=True)
class Asked:
    """The network that a command is asked for: one name or one module, and what else the user said of it."""

    name: str | None
    module: str | None
    input_shape: tuple[int, int, int] | None = None
    num_classes: int | None = None

    def spec(
        self, options: ConvOptions, otherwise: Literal["standard", "groupnl"], silent: bool = False, **changes: Any
    ) -> tuple[ModelSpec, dict[str, Any]]:
        """Its spec, and what was said of it on stderr as keys of a JSON document; see `ConvOptions.spec` and `own`."""
        said = {"input_shape": self.input_shape, "num_classes": self.num_classes}
        changes |= {name: value for name, value in said.items() if value is not None}
        if self.module is not None:
            own = options.own(self.module, **changes)
            return own.spec, tell_own(own, silent)
        assert self.name is not None, "require_one_network was asked"
        spec = options.spec(self.name, otherwise=otherwise, **changes)
        return spec, tell_departure(self.name, spec, silent)


def load_named(module: str | None) -> None:
    """Run the code that the user named, if any, so that a checkpoint of it can be built in this process."""
    if module is not None:
        from groupnl_deploy.own_code.load import load_code

        load_code(module)


@contextlib.contextmanager
def checkpoint_of(asked: Asked, checkpoint: Path | None, format: str, out: Path) -> Iterator[Path]:
    """The checkpoint that is to be exported: the user's, else one of the random weights of their own network.

    The latter is not kept: the code and its seed make it again.
    """
    if asked.module is not None and format == "torch":
        raise UsageError(f"{asked.module} is code of your own, which runs on this machine alone.", _AS_ONNX)
    if checkpoint is None:
        with _untrained(asked) as folder:
            yield folder
        return
    if asked.input_shape or asked.num_classes:
        raise UsageError(f"The checkpoint {checkpoint} has its input and classes.", "Leave --input and --classes out.")
    load_named(asked.module)
    with needing_module("export", checkpoint, "--out", out):
        yield checkpoint


@contextlib.contextmanager
def _untrained(asked: Asked) -> Iterator[Path]:
    if asked.module is None:
        remedy = "Name a checkpoint's folder, or --module FILE.py:FUNCTION for an untrained network of your own."
        raise UsageError("Nothing is named that could be exported.", remedy)
    spec, _ = asked.spec(ConvOptions(), "standard")
    from groupnl_deploy.training.checkpoint import initialise_checkpoint, save_checkpoint

    with tempfile.TemporaryDirectory() as folder:
        save_checkpoint(Path(folder, "untrained"), *initialise_checkpoint(spec))
        yield Path(folder, "untrained")


@contextlib.contextmanager
def needing_module(*words: object) -> Iterator[None]:
    """A checkpoint in the block whose code was not named is refused with the whole command that names it."""
    try:
        yield
    except CodeChanged:
        raise
    except CodeNotLoaded as error:
        remedy = f"Name it again: {command_line(*words, '--module', error.origin)}"
        raise UsageError(f"{sentence(error.problem)}.", remedy) from error


def again(module: str | None) -> tuple[str, ...]:
    """What a following command must say again."""
    return () if module is None else ("--module", module)


def tell_own(own: "OwnNetwork", silent: bool = False) -> dict[str, Any]:
    """Say on stderr what was assumed of a user's network and what became of its convolutions; for JSON as one key.

    Args:
        own: the network.
        silent: say nothing, where a document is all that the command writes.
    """
    from device_agent.strict import to_dict

    notes = [*own.assumed, *_replaced(own)]
    for note in notes if not silent else ():
        console.say(f"Note: {note}.")
    return {"own": {"assumed": list(own.assumed), "convolutions": to_dict(own.outcomes.convs)}}


def _replaced(own: "OwnNetwork") -> list[str]:
    convs, method = own.outcomes, own.spec.conv.label
    if not convs.convs:
        return []
    reasons: dict[str, list[str]] = {}
    for conv in convs.left:
        reasons.setdefault(conv.note, []).append(conv.name)
    kept = [f"{reason} ({first_few(names, _FEW)})" for reason, names in reasons.items()]
    return ["; ".join([f"{len(convs.replaced)} of {len(convs.convs)} convolutions became {method}", *kept])]
