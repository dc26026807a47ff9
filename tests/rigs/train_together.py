"""One process of a training that torchrun starts: of few digits, with a thin network; it may kill itself on the way.

    torchrun --nproc-per-node 2 tests/rigs/train_together.py OUT RANK:STEP|-

What each process has is left in OUT.ranks/RANK.json.
"""

import hashlib
import json
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from groupnl_deploy.images.datasets import load_dataset
from groupnl_deploy.images.in_memory import InMemoryImages
from groupnl_deploy.images.source import DataSource
from groupnl_deploy.models.spec import ConvSpec, ModelSpec
from groupnl_deploy.training.loop import train
from groupnl_deploy.training.ranks import joined, ranks_of
from groupnl_deploy.training.recipe import Recipe
from groupnl_deploy.training.run import TrainProgress
from groupnl_deploy.training.running import Running

RECIPE = Recipe(epochs=2, batch_size=16, lr=0.02, clip_norm=None)
SPEC = ModelSpec("vgg11_cifar", ConvSpec("groupnl"), width=0.125, seed=3)


def main(out: Path, killed: str) -> None:
    """Train; `killed` is the rank and the step of the first epoch after which it kills itself, once."""
    data = load_dataset(DataSource("digits"))
    assert isinstance(data.train, InMemoryImages) and isinstance(data.test, InMemoryImages)
    few = replace(
        data,
        train=InMemoryImages(data.train.pixels[:97], data.train.labels[:97]),
        test=InMemoryImages(data.test.pixels[:41], data.test.labels[:41]),
        declared=data.statistics,
    )
    with joined(ranks_of("cpu")) as ranks:

        def progress(now: TrainProgress) -> None:
            if killed == f"{ranks.rank}:{now.step}" and now.epoch == 1 and _first_time(out):
                os.kill(os.getpid(), signal.SIGKILL)

        result = train(SPEC, RECIPE, few, progress, out, ranks=ranks, running=Running(save_steps=1))
        state = result.model.state_dict()
        told = {
            "frozen": _digest({key: state[key] for key in state if key.endswith(("periods", "shifts"))}),
            "learned": _digest(dict(result.model.named_parameters())),
            "accuracy": result.evaluation.accuracy,
            "images": result.evaluation.count,
            "sent_bytes": result.sent_bytes,
            "resumed": result.note or "",
        }
        folder = out.with_name(f"{out.name}.ranks")
        folder.mkdir(exist_ok=True)
        (folder / f"{ranks.rank}.json").write_text(json.dumps(told))


def _first_time(out: Path) -> bool:
    marker = out.with_name(f"{out.name}.killed")
    if marker.exists():
        return False
    marker.touch()
    return True


def _digest(tensors: Mapping[str, Tensor]) -> str:
    numbers = hashlib.sha256()
    for name in sorted(tensors):
        numbers.update(name.encode() + tensors[name].detach().numpy().tobytes())
    return numbers.hexdigest()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
