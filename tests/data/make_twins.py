"""Write groupnl_deploy/training/tables/twins.json: networks with the keys and shapes of ours and another function.

No test runs this file, and timm is no dependency of the project. To make the data again (timm 1.0.31 and torchvision
0.28.0 made what is stored; about six minutes), in an environment of its own:

    pip install timm==1.0.31 torchvision==0.28.0
    python tests/data/make_twins.py

Every architecture of timm is built by its name, without memory, and its keys and shapes (BatchNorm's counters aside)
are compared with those of the networks here. Where they are equal, both get the weights of synth_weights.py and one
image; `difference` is the largest one of their logits over the spread of ours, zero for a second name of the same
function. `published` are the files that timm's configurations name, with what they were trained on; a mean, std or
input that is not written there is ImageNet's or 3x224x224. `renamed` are timm's old names.

`reasons` and `elsewhere`, which are of timm's in no sense, are kept as they stand in the file.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from make_timm_reference import DAMPING, NETWORKS
from synth_weights import synth_state_dict

PATH = Path(__file__).parents[2] / "groupnl_deploy" / "training" / "tables" / "twins.json"
IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225), "input": (3, 224, 224)}
COUNTER = "num_batches_tracked"


def outline(name: str) -> frozenset[tuple[str, tuple[int, ...]]]:
    """Keys and shapes."""
    import timm

    with torch.device("meta"):
        state = timm.create_model(name, num_classes=1000).state_dict()
    return frozenset((key, tuple(value.shape)) for key, value in state.items() if not key.endswith(COUNTER))


def difference(name: str, other: str) -> float:
    """Of two networks with the same weights, over the spread of the first."""
    import timm

    first, second = timm.create_model(name).eval(), timm.create_model(other).eval()
    shapes = {key: list(value.shape) for key, value in first.state_dict().items()}
    weights = {
        key: torch.from_numpy(value) * (DAMPING if value.ndim > 1 else 1)
        for key, value in synth_state_dict(shapes).items()
    }
    image = torch.from_numpy(np.random.default_rng(2026).standard_normal((1, 3, 96, 96)).astype(np.float32))
    for network in (first, second):
        network.load_state_dict(weights)
    with torch.inference_mode():
        logits = first(image)
        return float(f"{((second(image) - logits).abs().max() / logits.std()).item():.3g}")


def published(names: list[str]) -> list[dict[str, Any]]:
    """What timm's configurations say of the weights of these networks."""
    import timm
    from timm.models import get_pretrained_cfg

    tagged = sorted({tag for name in names for tag in timm.list_pretrained(f"{name}.*")})
    rows = []
    for tag in tagged:
        known = get_pretrained_cfg(tag)
        row = {"name": tag, "file": (known.url or "").rpartition("/")[2]}
        said = {"mean": known.mean, "std": known.std, "input": known.input_size}
        row |= {key: list(value) for key, value in said.items() if tuple(value) != IMAGENET[key]}
        rows.append(row | {"crop_pct": known.crop_pct, "interpolation": known.interpolation})
    return rows


def main() -> None:
    """Build them all and write the file."""
    import timm
    from timm.models._registry import _deprecated_models

    kept = json.loads(PATH.read_text()) if PATH.exists() else {"reasons": {}, "elsewhere": {}}
    ours = {name: outline(name) for name in NETWORKS}
    twins: dict[str, dict[str, float]] = {name: {} for name in NETWORKS}
    for other in timm.list_models():
        shape = outline(other)
        for name in NETWORKS:
            if name != other and ours[name] == shape:
                twins[name][other] = difference(name, other)
    known = sorted({*NETWORKS, *(other for found in twins.values() for other in found)})
    document = {
        "source": f"timm {timm.__version__}, all {len(timm.list_models())} architectures, by tests/data/make_twins.py",
        "twins": twins,
        "reasons": kept["reasons"],
        "elsewhere": kept["elsewhere"],
        "renamed": {
            old: new for old, new in sorted(_deprecated_models.items()) if new and new.partition(".")[0] in known
        },
        "published": published(known),
    }
    PATH.write_text(layout(document))


def layout(document: dict[str, Any]) -> str:
    """One published file a line."""
    rows = ",\n".join(f"    {json.dumps(row)}" for row in document["published"])
    head = json.dumps({key: value for key, value in document.items() if key != "published"}, indent=2)
    return head.removesuffix("\n}") + f',\n  "published": [\n{rows}\n  ]\n}}\n'


if __name__ == "__main__":
    main()
