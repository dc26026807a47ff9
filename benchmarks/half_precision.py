"""How far the first gradients of half precision are from those of single precision, and what GroupNL's maps cost there.

    python benchmarks/half_precision.py [--width 0.25] [--batch 32] [--seeds 3]

ResNet-18 on random images, by autocast on the CPU: the length of the difference over the length of the gradient. Each
kind with the maps of GroupNL as they are kept, and in the other type, for comparison. fp16 is slow on a CPU.
"""

import argparse
import statistics
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch.nn import functional

from groupnl_deploy.models.layers import generation
from groupnl_deploy.models.registry import create_model, model_spec

KINDS = {"bf16": torch.bfloat16, "fp16": torch.float16}
LOSS_SCALE = 256.0  # small gradients of fp16 are zero without one
ROWS = ("standard", "groupnl", "groupnl-sparse")


def main() -> None:
    """Measure and print a row for each convolution and each type of its maps."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=float, default=0.25)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--seeds", type=int, default=3)
    asked = parser.parse_args()
    print(f"{'convolutions':<18}{'maps':>18}{'bf16':>8}{'fp16':>8}")
    for method in ROWS:
        for maps in ("as they are kept",) if method == "standard" else ("as they are kept", "16 bits", "32 bits"):
            means = [mean_error(method, kind, maps, asked) for kind in KINDS.values()]
            print(f"{method:<18}{maps:>18}" + "".join(f"{100 * mean:>6.1f} %" for mean in means), flush=True)


def mean_error(method: str, kind: torch.dtype, maps: str, asked: argparse.Namespace) -> float:
    """Over the seeds, of the networks' weights and images."""
    with keeping(maps):
        return statistics.mean(error(method, kind, seed, asked) for seed in range(asked.seeds))


@contextmanager
def keeping(maps: str) -> Iterator[None]:
    """GroupNL layers that keep their output in the type of their seed maps or of their hyper-parameters."""
    types = {
        "16 bits": lambda seed_maps, values: seed_maps.dtype,
        "32 bits": lambda seed_maps, values: torch.promote_types(seed_maps.dtype, values[0].dtype),
    }
    with patch.object(generation, "_kept_type", types[maps]) if maps in types else nullcontext():
        yield


def error(method: str, kind: torch.dtype, seed: int, asked: argparse.Namespace) -> float:
    """Of the gradient by all weights, in training mode."""
    torch.manual_seed(seed)
    spec = model_spec("resnet18_cifar", method, "released", width=asked.width, seed=seed)
    net = create_model(spec).train()
    images, labels = torch.randn(asked.batch, *spec.input_shape), torch.randint(spec.num_classes, (asked.batch,))
    exact, rough = (gradient(net, images, labels, one) for one in (torch.float32, kind))
    return float((rough - exact).norm() / exact.norm())


def gradient(net: nn.Module, images: Tensor, labels: Tensor, kind: torch.dtype) -> Tensor:
    """Of one batch; batch statistics are those of the batch, so that no call changes the next one's."""
    net.zero_grad()
    with torch.autocast("cpu", kind, enabled=kind is not torch.float32):
        logits = net(images)
    torch.autograd.backward(LOSS_SCALE * functional.cross_entropy(logits.float(), labels))
    return torch.cat([value.grad.reshape(-1) for value in net.parameters() if value.grad is not None])


if __name__ == "__main__":
    main()
