"""Photographs small enough to be corrupted in milliseconds."""

import pytest

from groupnl_deploy.images.bench_images import bench_images
from groupnl_deploy.robustness.values import Pixels


@pytest.fixture(scope="session")
def photos() -> Pixels:
    """uint8 (48, 32, 32, 3)."""
    return bench_images(None, (3, 32, 32), 48).images.transpose(0, 2, 3, 1).copy()
