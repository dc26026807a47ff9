"""What holds of all nineteen corruptions: pixels come out, the same whoever asks, and more of it does more."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groupnl_deploy.errors import UsageError
from groupnl_deploy.images.bench_images import bench_images
from groupnl_deploy.robustness.constants import CONSTANTS
from groupnl_deploy.robustness.corruptions import OPERATORS, corrupted
from groupnl_deploy.robustness.values import Pixels

NAMES = sorted(OPERATORS)
# Glass, elastic and saturate turn into another kind of change on their way, and so does spatter, from water to mud.
# Frost weighs the image less, motion blur of severities 3 and 4 differs in pixels that hardly count, and snow in how
# its flakes are enlarged.
STEADY = sorted({*NAMES} - {"glass_blur", "elastic_transform", "saturate", "spatter", "frost", "motion_blur", "snow"})


@pytest.fixture(autouse=True)
def _water(request: pytest.FixtureRequest) -> None:
    if "spatter" in request.node.name:
        pytest.importorskip("cv2", reason="water on images needs OpenCV")


@pytest.mark.parametrize("name", NAMES)
def test_pixels_of_any_size_and_channels_become_as_many_and_change(name):
    for shape, severities in [
        ((3, 32, 32), (1, 3, 5)),
        ((1, 32, 32), (2, 4)),
        ((3, 64, 40), (1, 3)),
        ((3, 17, 21), (5,)),
    ]:
        images = bench_images(None, shape, 2).images.transpose(0, 2, 3, 1)
        for severity in severities:
            made = corrupted(images, name, severity, [0, 1])
            assert made.shape == images.shape and made.dtype == np.uint8
            grey_has_no_saturation = name == "saturate" and shape[0] == 1
            assert (made != images).any() or grey_has_no_saturation


@pytest.mark.parametrize("name", NAMES)
def test_images_of_one_colour_are_no_trouble(name):
    colours = np.array([[0, 0, 0], [255, 255, 255], [90, 90, 90], [200, 30, 0]], np.uint8)
    images = np.broadcast_to(colours[:, None, None], (4, 32, 32, 3))
    with np.errstate(all="raise", under="ignore"):
        for severity in (1, 3, 5):
            made = corrupted(images, name, severity, range(4)).astype(int)
            if name in ("gaussian_blur", "defocus_blur", "motion_blur", "zoom_blur", "glass_blur", "elastic_transform"):
                assert abs(made - images).max() <= 2  # but for what truncation loses, a level at each of two steps
            if name in ("contrast", "pixelate", "zoom_blur", "motion_blur"):
                assert abs(made - images).max() <= (name == "contrast")


@pytest.mark.parametrize("name", STEADY)
def test_each_severity_changes_more_than_the_one_below(name, photos):
    changes = [mean_change(photos, name, severity) for severity in range(1, 6)]
    assert changes == sorted(changes) and changes[0] > 0.5, changes


def mean_change(images: Pixels, name: str, severity: int) -> float:
    made = corrupted(images, name, severity, range(len(images)))
    return float(np.abs(made.astype(int) - images).mean())


@settings(deadline=None)
@given(
    name=st.sampled_from(NAMES),
    severity=st.integers(1, 5),
    seed=st.integers(0, 2**64 - 1),
    chosen=st.lists(st.integers(0, 11), min_size=1, max_size=6),
)
def test_some_images_are_the_slice_of_all(photos, name, severity, seed, chosen):
    """Whatever order, however often, and also beside chunks of another size."""
    if name == "spatter":
        pytest.importorskip("cv2", reason="water on images needs OpenCV")
    whole = corrupted(photos[:12], name, severity, range(12), seed)
    part = corrupted(photos[chosen], name, severity, chosen, seed)
    assert (part == whole[chosen]).all()


@pytest.mark.parametrize("name", ["gaussian_noise", "fog", "motion_blur", "frost", "elastic_transform", "glass_blur"])
def test_seed_image_and_severity_draw_otherwise(name, photos):
    one = np.repeat(photos[:1], 2, axis=0)
    first, second = corrupted(one, name, 3, [0, 1], seed=0)
    assert (first != second).any()
    assert (corrupted(one, name, 3, [0, 1], seed=1)[0] != first).any()
    assert (corrupted(one, name, 3, [0, 1], seed=0)[0] == first).all()


def test_chunks_change_no_bit(photos, monkeypatch):
    for name in ("zoom_blur", "snow", "fog", "elastic_transform", "defocus_blur"):
        together = corrupted(photos[:9], name, 4, range(9))
        monkeypatch.setattr("groupnl_deploy.robustness.corruptions._PIXELS_AT_ONCE", 2048)
        assert (corrupted(photos[:9], name, 4, range(9)) == together).all()
        monkeypatch.undo()


def test_a_large_image_has_the_same_laws(photos):
    """Kernels beyond eleven pixels, offsets in order, textures at their full size."""
    images = bench_images(None, (3, 130, 150), 2).images.transpose(0, 2, 3, 1)
    for name in ("defocus_blur", "glass_blur", "frost", "zoom_blur"):
        severity = len(CONSTANTS[name][224]) - 1
        whole = corrupted(images, name, severity, [0, 1])
        assert (corrupted(images[1:], name, severity, [1]) == whole[1:]).all()


@pytest.mark.parametrize(
    ("shape", "name", "severity", "says"),
    [
        ((32, 32, 3), "fogg", 1, "Did you mean “fog”"),
        ((32, 32, 3), "fog", 6, "severity 6"),
        ((32, 32, 4), "fog", 1, "4 channels"),
        ((8, 32, 3), "fog", 1, "8x32"),
    ],
)
def test_what_cannot_be_corrupted_is_refused(shape, name, severity, says):
    with pytest.raises(UsageError) as refused:
        corrupted(np.zeros((1, *shape), np.uint8), name, severity, [0])
    assert says in f"{refused.value.message} {refused.value.remedy}"


def test_water_without_opencv_is_refused_and_mud_is_not(monkeypatch, photos):
    monkeypatch.setitem(__import__("sys").modules, "cv2", None)
    with pytest.raises(UsageError, match="needs OpenCV"):
        corrupted(photos[:1], "spatter", 1, [0])
    assert corrupted(photos[:1], "spatter", 5, [0]).shape == (1, 32, 32, 3)
