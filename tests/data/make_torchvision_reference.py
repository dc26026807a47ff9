"""Write torchvision_reference.json: torchvision's keys, shapes and logits of the networks that are read here.

Weights and input are those of synth_weights.py, by torchvision's own keys. No test runs this file, and torchvision is
no dependency of the project. To make the data again (torchvision 0.28.0 made what is stored), in an environment of its
own:

    pip install torchvision==0.28.0
    python tests/data/make_torchvision_reference.py

For each network, in eval mode and float32 at 96x96 with all weights of convolutions and linear layers times DAMPING:
`shapes` (every state-dict key in order), `logits` (the first 16 of 1,000), `std` (of all), `argmax`. Of networks that
are none here (`others`) the shapes alone.
"""

import json
from pathlib import Path

import torch
from synth_weights import synth_input, synth_state_dict

# A PyTorch built for the CPU alone lacks what a torchvision built for CUDA declares; nothing here calls it.
LIBRARY = torch.library.Library("torchvision", "FRAGMENT")
for operator in ("nms", "qnms"):
    LIBRARY.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

NETWORKS = {
    "mobilenetv2_100": "mobilenet_v2",
    "mobilenetv3_large_100": "mobilenet_v3_large",
    "efficientnetv2_s": "efficientnet_v2_s",
}
OTHERS = ("efficientnet_b0", "mobilenet_v3_small")
DAMPING, PIXELS = 0.8, 96


def shapes_of(model: torch.nn.Module) -> dict[str, list[int]]:
    """Of every tensor that it keeps."""
    return {key: list(value.shape) for key, value in model.state_dict().items()}


def describe(model: torch.nn.Module) -> dict[str, object]:
    """What the stored file says about one network; the model's weights are overwritten."""
    shapes = shapes_of(model)
    weights = {key: torch.from_numpy(value) for key, value in synth_state_dict(shapes).items()}
    model.load_state_dict({key: value * DAMPING if value.ndim > 1 else value for key, value in weights.items()})
    with torch.inference_mode():
        logits = model.eval()(torch.from_numpy(synth_input(PIXELS)))[0]
    first = [float(f"{value:.9g}") for value in logits[:16].tolist()]
    return {"shapes": shapes, "logits": first, "std": logits.std().item(), "argmax": int(logits.argmax())}


def main() -> None:
    """Ask every network and write the file next to this one."""
    import torchvision

    build = torchvision.models.get_model
    document = {
        "torchvision": torchvision.__version__,
        "damping": DAMPING,
        "pixels": PIXELS,
        "networks": {name: describe(build(theirs)) for name, theirs in NETWORKS.items()},
        "others": {name: shapes_of(build(name)) for name in OTHERS},
    }
    path = Path(__file__).with_name("torchvision_reference.json")
    path.write_text(json.dumps(document, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
