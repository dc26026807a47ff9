"""`groupnl models`: the networks by name, and untrained checkpoints of them."""

from typing import Annotated, Any

import typer

from groupnl_deploy.cli import console
from groupnl_deploy.cli.exits import guarded
from groupnl_deploy.cli.options import Json, OutFolder
from groupnl_deploy.models.spec import ConvSpec, ModelSpec

app = typer.Typer(no_args_is_help=True, help="Networks: list them, make untrained ones.")

Conv = Annotated[str, typer.Option("--conv", help="standard or groupnl.")]
Semantics = Annotated[str, typer.Option(help="released (the authors' code) or paper (the paper's text).")]
Width = Annotated[float, typer.Option(help="Factor on every channel count.")]
Seed = Annotated[int, typer.Option(help="Seed of the weights and of GroupNL's hyper-parameters.")]


def conv_spec(conv: str, semantics: str) -> ConvSpec:
    """The convolution the words name. Raises `UsageError` for unknown words."""
    from groupnl_deploy.words import known_word

    known_word("convolution", conv, ("standard", "groupnl"))
    known_word("semantics", semantics, ("released", "paper"))
    return ConvSpec.preset(conv, semantics)  # type: ignore[arg-type]


@app.command("list")
@guarded
def list_(json: Json = False) -> None:
    """List the networks. Example: groupnl models list"""
    from groupnl_deploy.models.registry import list_models

    entries = list_models()
    if json:
        models = [{"name": entry.name, "summary": entry.summary} for entry in entries]
        console.show_json({"schema_version": 1, "models": models})
        return
    console.show_table([("Name", False), ("What it is", False)], [(entry.name, entry.summary) for entry in entries])


@app.command("init")
@guarded
def init(
    name: Annotated[str, typer.Argument(help="A name from `groupnl models list`.")],
    out: OutFolder,
    conv: Conv = "groupnl",
    semantics: Semantics = "released",
    width: Width = 1.0,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Write a randomly initialised checkpoint, marked untrained wherever it goes.

    With it a board can be benchmarked on the first day; its accuracy is null.
    Example: groupnl models init resnet18_cifar --seed 0 --out net
    """
    from groupnl_deploy.training.checkpoint import checkpoint_id, initialise_checkpoint, save_checkpoint

    spec = ModelSpec(name, conv_spec(conv, semantics), width, seed=seed)
    save_checkpoint(out, *initialise_checkpoint(spec))
    console.say(f"{out}: {spec.label}, untrained. Next: groupnl export {out} --format onnx --out ARTIFACT")
    if json:
        console.show_json(checkpoint_json(out, checkpoint_id(out)))


def checkpoint_json(folder: Any, sha256: str) -> dict[str, Any]:
    """A checkpoint as the JSON document of the commands that make one."""
    from device_agent.strict import to_dict
    from groupnl_deploy.training.checkpoint import load_checkpoint

    return {
        "schema_version": 1,
        "path": str(folder),
        "sha256": sha256,
        "checkpoint": to_dict(load_checkpoint(folder)),
    }
