"""Weights that depend only on a parameter's name and shape, so a reference model and ours can be filled alike."""

import zlib

import numpy as np


def synth_state_dict(shapes):
    out = {}
    for key, shape in shapes.items():
        rng = np.random.default_rng(zlib.crc32(key.encode()))
        leaf = key.rsplit(".", 1)[-1]
        if leaf == "num_batches_tracked":
            value = np.zeros(shape)
        elif leaf == "running_var":
            value = rng.uniform(0.5, 1.5, shape)
        elif leaf == "running_mean":
            value = 0.1 * rng.standard_normal(shape)
        elif leaf == "periods":
            value = rng.uniform(1, 2, shape)
        elif leaf == "shifts":
            value = rng.uniform(1, 5, shape)
        elif leaf == "bias":
            value = 0.1 * rng.standard_normal(shape)
        elif len(shape) == 1:
            value = rng.uniform(0.5, 1.5, shape)
        else:
            value = rng.standard_normal(shape) * np.sqrt(2 / np.prod(shape[1:]))
        out[key] = value.astype(np.float32)
    return out


def synth_input(size=224):
    return np.random.default_rng(2026).standard_normal((1, 3, size, size)).astype(np.float32)
