"""The checkpoint that a training begins with: whether it fits, what is taken of it, and the new head."""

from dataclasses import dataclass, replace

from torch import Tensor, nn

from device_agent.strict import to_dict
from groupnl_deploy.errors import UsageError
from groupnl_deploy.images.dataset import Statistics
from groupnl_deploy.models.registry import create_model
from groupnl_deploy.models.spec import ModelSpec
from groupnl_deploy.training.stages import head_of


@dataclass(frozen=True, eq=False)
class Initial:
    """A checkpoint as the beginning of a training.

    Args:
        sha256: its id.
        spec: its network.
        class_names: of its head, by output; empty where nobody knows them.
        statistics: that its weights expect images to be prepared with; None for random weights, which expect none.
        weights: by their keys.
    """

    sha256: str
    spec: ModelSpec
    class_names: tuple[str, ...]
    statistics: Statistics | None
    weights: dict[str, Tensor]

    def keeps_head(self, spec: ModelSpec, class_names: tuple[str, ...]) -> bool:
        """Whether its outputs are the classes that are wanted, as far as anybody knows."""
        return spec.num_classes == self.spec.num_classes and self.class_names in ((), class_names)


def begin_with(model: nn.Module, initial: Initial, spec: ModelSpec, class_names: tuple[str, ...], seed: int) -> str:
    """Put the weights of a checkpoint into a network in place of its random ones, and say what became of its head.

    Args:
        model: made of `spec`.
        initial: the checkpoint.
        spec: the network that is trained: that of the checkpoint, but for its classes and the size of its images.
        class_names: that it is trained on.
        seed: of a new head.

    Raises `UsageError` with all that differs.
    """
    require_same_network(initial.spec, spec)
    head = head_of(model, spec.num_classes)
    keeps = initial.keeps_head(spec, class_names)
    begun = f"it begins with the weights of the checkpoint {initial.sha256[:12]}"
    taken = {key: value for key, value in initial.weights.items() if keeps or key.rpartition(".")[0] != head}
    fresh = create_model(replace(spec, seed=seed)).get_submodule(head).state_dict()
    if not keeps:
        taken |= {f"{head}.{key}": value for key, value in fresh.items()}
    _require_fit(taken, model.state_dict())
    model.load_state_dict(taken)
    if keeps:
        return f"{begun}, its head {head} included"
    return f"{begun}, and with a new head, {head}, for {len(class_names)} classes"


def require_same_network(there: ModelSpec, here: ModelSpec) -> None:
    """Raise `UsageError` unless two networks differ in nothing but their classes, seed and the size of their images."""
    found, wanted = _told_apart(there), _told_apart(here)
    differing = [
        f"{name} {_text(found.get(name))} there and {_text(wanted.get(name))} here"
        for name in sorted({*found, *wanted})
        if found.get(name) != wanted.get(name)
    ]
    if differing:
        raise UsageError(
            f"The checkpoint is another network than the one to train: {'; '.join(differing)}.",
            "Leave out what describes the network: the checkpoint says it. Weights of one convolution mean nothing to "
            "another.",
        )


def _told_apart(spec: ModelSpec) -> dict[str, object]:
    said: dict[str, object] = to_dict(replace(spec, seed=0, num_classes=1))
    for table in ("input_shape", "conv"):
        said.pop(table)
    conv = {f"conv {name}": value for name, value in to_dict(spec.conv).items()}
    return said | conv | {"channels of an image": spec.input_shape[0]}


def _text(value: object) -> str:
    return "its own" if value is None else str(value)


def _require_fit(taken: dict[str, Tensor], wanted: dict[str, Tensor]) -> None:
    wrong = [f"{key} is missing" for key in wanted if key not in taken]
    wrong += [f"{key} is unknown" for key in taken if key not in wanted]
    wrong += [
        f"{key} has the shape {tuple(taken[key].shape)} and not {tuple(value.shape)}"
        for key, value in wanted.items()
        if key in taken and taken[key].shape != value.shape
    ]
    if wrong:
        more = f", and {len(wrong) - 5} others" if len(wrong) > 5 else ""
        raise UsageError(
            f"The checkpoint's weights do not fit the network: {'; '.join(wrong[:5])}{more}.",
            "A network begins with a checkpoint of itself; only its last layer may have another number of classes, and "
            "a network that pools globally another size of image.",
        )
