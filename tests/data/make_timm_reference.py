"""Write timm_reference.json: timm's keys, shapes and logits of the networks that are rebuilt here under its names.

Weights and input are those of synth_weights.py, which need no download: they depend on names and shapes alone.
No test runs this file, and timm is no dependency of the project. To make the data again (timm 1.0.31 made what is
stored), in an environment of its own:

    pip install timm==1.0.31
    python tests/data/make_timm_reference.py

For each network, in eval mode and float32 at 224x224: `shapes` (every state-dict key in order), `logits` (the first
32 of 1,000), `std` (of all), `argmax`, and `params`. The activations of the deeper networks grow so large with these
weights that a sigmoid is as good as a step; `damped` holds logits, std and argmax once more with all convolution and
linear weights times DAMPING, where every part of every network shows in the logits.
"""

import json
from pathlib import Path

import torch
from synth_weights import synth_input, synth_state_dict

NETWORKS = (
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnext50_32x4d",
    "mobilenetv1_100",
    "mobilenetv2_100",
    "mobilenetv3_large_100",
    "efficientnet_lite0",
    "efficientnet_es",
    "efficientnetv2_s",
)
DAMPING = 0.8


def describe(model: torch.nn.Module) -> dict[str, object]:
    """What the stored file says about one network; the model's weights are overwritten."""
    shapes = {key: list(value.shape) for key, value in model.state_dict().items()}
    weights = {key: torch.from_numpy(value) for key, value in synth_state_dict(shapes).items()}
    damped = {key: value * DAMPING if value.ndim > 1 else value for key, value in weights.items()}
    params = sum(parameter.numel() for parameter in model.parameters())
    return {"shapes": shapes, **respond(model, weights), "damped": respond(model, damped), "params": params}


def respond(model: torch.nn.Module, weights: dict[str, torch.Tensor]) -> dict[str, object]:
    """Logits of the one input with these weights: the first 32, and the std and argmax of all."""
    model.load_state_dict(weights)
    with torch.inference_mode():
        logits = model.eval()(torch.from_numpy(synth_input()))[0]
    first = [float(f"{value:.9g}") for value in logits[:32].tolist()]
    return {"logits": first, "std": logits.std().item(), "argmax": int(logits.argmax())}


def main() -> None:
    """Describe every network and write the file next to this one."""
    import timm

    networks = {name: describe(timm.create_model(name)) for name in NETWORKS}
    text = json.dumps({"timm": timm.__version__, "networks": networks}, separators=(",", ":"))
    Path(__file__).with_name("timm_reference.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
