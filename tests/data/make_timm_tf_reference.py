"""Write timm_tf_reference.json: timm's logits of its `tf_` networks, which have the keys and shapes of plain ones.

Weights and damping are those of make_timm_reference.py, by the keys of the plain networks in its file; images are
`default_rng(2026).standard_normal((1, 3, H, W))`. To make the data again (timm 1.0.31 made what is stored), in an
environment of its own:

    pip install timm==1.0.31
    python tests/data/make_timm_tf_reference.py

For each network and size, in eval mode and float32: the first 16 of 1,000 logits, the std and argmax of all.
"""

import json
from pathlib import Path

import numpy as np
import torch
from make_timm_reference import DAMPING
from synth_weights import synth_state_dict

NETWORKS = ("tf_mobilenetv3_large_100", "tf_efficientnet_lite0", "tf_efficientnet_es", "tf_efficientnetv2_s")
SIZES = ((64, 64), (75, 61), (224, 224))


def respond(model: torch.nn.Module, size: tuple[int, int]) -> dict[str, object]:
    """Logits for the one image of this size."""
    image = np.random.default_rng(2026).standard_normal((1, 3, *size)).astype(np.float32)
    with torch.inference_mode():
        logits = model(torch.from_numpy(image))[0]
    first = [float(f"{value:.9g}") for value in logits[:16].tolist()]
    return {"logits": first, "std": logits.std().item(), "argmax": int(logits.argmax())}


def main() -> None:
    """Ask every network about every image and write the file next to this one."""
    import timm

    networks = {}
    for name in NETWORKS:
        model = timm.create_model(name).eval()
        weights = synth_state_dict({key: list(value.shape) for key, value in model.state_dict().items()})
        model.load_state_dict(
            {key: torch.from_numpy(value) * (DAMPING if value.ndim > 1 else 1) for key, value in weights.items()}
        )
        networks[name] = {"x".join(map(str, size)): respond(model, size) for size in SIZES}
    document = {"timm": timm.__version__, "damping": DAMPING, "networks": networks}
    Path(__file__).with_name("timm_tf_reference.json").write_text(json.dumps(document, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
