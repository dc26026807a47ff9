"""Corrupted digits that are quickly made: darker, noisier or paler with each severity. Also a published set of them."""

import numpy as np

from groupnl_deploy.evaluation.asked import Asked
from groupnl_deploy.images.corrupted import CorruptedDataset
from groupnl_deploy.images.datasets import load_dataset
from groupnl_deploy.images.in_memory import InMemoryImages
from groupnl_deploy.images.source import DataSource

TOYS = ("gaussian_noise", "fog", "contrast", "saturate")


def corrupt(pixels, name, severity, seed):
    values, random = pixels.astype(float), np.random.default_rng([seed, severity])
    if name == "gaussian_noise":
        values = values + random.normal(0, 40 * severity, values.shape)
    elif name == "fog":
        values = values + (255 - values) * severity / 6
    elif name == "contrast":
        values = (values - 128) / (1 + severity) + 128
    return np.clip(values, 0, 255).astype(np.uint8)  # saturate leaves grey ones as they are


def generated(dataset, asked, origin="generated", name=None):
    """In place of `groupnl_deploy.robustness`."""
    clean = np.stack([dataset.test[index] for index in range(len(dataset.test))])

    def part(corruption, severity):
        return InMemoryImages(corrupt(clean, corruption, severity, asked.seed), dataset.test.labels)

    return CorruptedDataset(
        name or dataset.name, origin, dataset.class_names, dataset.input_shape, TOYS, part, ("toys",)
    )


def load_corrupted(source, reporter):
    return generated(load_dataset(DataSource("digits")), Asked(), "published", source.name)
