"""What each corruption is known to do to an image."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import hsv_to_rgb, rgb_to_hsv
from PIL import Image
from scipy import ndimage

from groupnl_deploy.errors import UsageError
from groupnl_deploy.robustness import blur, frost, zoom
from groupnl_deploy.robustness.colour import from_hsv, to_hsv
from groupnl_deploy.robustness.constants import CONSTANTS
from groupnl_deploy.robustness.corruptions import corrupted
from groupnl_deploy.robustness.draws import generators
from groupnl_deploy.robustness.ice import KINDS
from groupnl_deploy.robustness.motion import moved
from groupnl_deploy.robustness.values import Pixels, truncated, unit
from groupnl_deploy.robustness.weather import plasma
from groupnl_deploy.robustness.zoom import enlarged

GREY = np.full((40, 32, 32, 3), 128, np.uint8)


def test_every_value_comes_back_from_its_share_of_white():
    every = np.arange(256, dtype=np.uint8)
    assert (truncated(unit(every)) == every).all()


@pytest.mark.parametrize("severity", [1, 5])
def test_noise_has_the_spread_that_its_constant_says(severity):
    (std,) = CONSTANTS["gaussian_noise"][32][severity - 1]
    (photons,) = CONSTANTS["shot_noise"][32][severity - 1]
    (share,) = CONSTANTS["speckle_noise"][32][severity - 1]
    level = 128 / 255
    for name, wanted in [
        ("gaussian_noise", std),
        ("shot_noise", np.sqrt(level / photons)),
        ("speckle_noise", level * share),
    ]:
        values = corrupted(GREY, name, severity, range(40)).astype(float)
        assert values.std() / 255 == pytest.approx(wanted, rel=0.02), name
        assert values.mean() == pytest.approx(127.5, abs=0.5), name  # half a level is cut off on average


@pytest.mark.parametrize("severity", [1, 3, 5])
def test_impulses_hit_each_channel_by_itself_as_often_as_said(severity):
    (share,) = CONSTANTS["impulse_noise"][32][severity - 1]
    made = corrupted(GREY, "impulse_noise", severity, range(40))
    hit = made != 128
    assert hit.mean() == pytest.approx(share, rel=0.1) and set(np.unique(made)) == {0, 128, 255}
    assert (made[hit] == 255).mean() == pytest.approx(0.5, abs=0.05)
    assert (hit.any(axis=3) & ~hit.all(axis=3)).sum() > 0.9 * hit.any(axis=3).sum()


@pytest.mark.parametrize("side", [32, 64, 224])
def test_jpeg_is_pillows_at_the_published_quality(side, photos):
    image = np.asarray(Image.fromarray(photos[0]).resize((side, side)))
    for severity, (quality,) in enumerate(CONSTANTS["jpeg_compression"][side], start=1):
        stream = io.BytesIO()
        Image.fromarray(image).save(stream, "JPEG", quality=int(quality))
        made = corrupted(image[None], "jpeg_compression", severity, [0])[0]
        assert (made == np.asarray(Image.open(stream))).all()


def test_pixelate_has_the_published_sizes(photos):
    for side, sizes in {32: (30, 28, 27, 24, 20), 224: (134, 112, 89, 67, 56)}.items():
        image = Image.fromarray(photos[0]).resize((side, side))
        for severity, size in enumerate(sizes, start=1):
            wanted = image.resize((size, size), Image.Resampling.BOX).resize((side, side), Image.Resampling.BOX)
            assert (corrupted(np.asarray(image)[None], "pixelate", severity, [0])[0] == np.asarray(wanted)).all()


@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 2, 3]), st.integers(1, 2))
def test_glass_copies_one_way_in_order(seed, distance, passes):
    """Against the plain loop over pixels from the last to the first, on an image whose pixels are all different."""
    image = np.arange(12 * 15, dtype=np.uint8).reshape(12, 15, 1)
    made = blur._copied_about(image, np.random.default_rng(seed), distance, passes)
    draw, wanted = np.random.default_rng(seed), image.copy()
    rows, columns = range(12 - distance, distance, -1), range(15 - distance, distance, -1)
    for _ in range(passes):
        across, down = draw.integers(-distance, distance, (2, len(rows), len(columns)))
        for i, row in enumerate(rows):
            for j, column in enumerate(columns):
                wanted[row, column] = wanted[row + down[i, j], column + across[i, j]]
    assert (made == wanted).all()
    assert (made[: distance + 1] == image[: distance + 1]).all()  # the first rows receive nothing


def test_glass_loses_colours_as_no_swap_does():
    image = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)
    made = blur._copied_about(image, np.random.default_rng(0), 1, 1)
    assert len(np.unique(made)) < 256


def test_a_disk_of_half_a_pixel_is_made_by_its_smoothing():
    """The weight of the middle, for the three mildest severities of 32x32."""
    middles = [blur.disk(*CONSTANTS["defocus_blur"][32][severity]).max() for severity in range(3)]
    assert middles == pytest.approx([0.845, 0.619, 0.445], abs=0.001)


def test_a_disk_is_symmetric_and_has_the_sum_that_the_authors_have():
    """Where it reaches the end of its grid, the grid is mirrored there, and images become lighter by a hundredth."""
    sums = []
    for radius, alias_sigma in CONSTANTS["defocus_blur"][224]:
        kernel = blur.disk(radius, alias_sigma)
        assert np.allclose(kernel, kernel[::-1].T)
        sums.append(kernel.sum())
    assert sums[:3] == pytest.approx([1, 1, 1], abs=1e-6)
    assert sums[3:] == pytest.approx([1.013, 1.011], abs=0.001)


def test_large_kernels_are_the_sum_that_small_ones_are(photos):
    kernel = blur.disk(6, 0.5)
    assert len(kernel) > blur._DIRECT
    values = unit(photos[:2])
    direct = ndimage.correlate(values, kernel[None, :, :, None], mode="mirror")
    assert np.allclose(blur._correlated(values, kernel), direct, atol=1e-12)


def test_motion_draws_one_pixel_out_along_a_line():
    image = np.zeros((3, 32, 32, 1), np.uint8)
    image[:, 20, 20] = 255
    made = moved(image, [0, 90, 180], radius=6, sigma=2)[..., 0].astype(int)
    weights = np.exp(-(np.arange(13) ** 2) / 8)
    wanted = (255 * weights / weights.sum() + 1e-3).astype(int)
    assert (made[0, 20, 8:21] == wanted[::-1]).all() and (made[1, 8:21, 20] == wanted[::-1]).all()
    assert (made[2, 20, 20:] == wanted[:12]).all()
    assert (made[0] > 0).sum() == (wanted > 0).sum()


def test_zooms_are_scipys(photos):
    image = unit(photos[:1])
    for side_factor in (1.05, 1.25, 1.75):
        kept = int(np.ceil(32 / side_factor))
        first = (32 - kept) // 2
        larger = ndimage.zoom(image[0, first : first + kept, first : first + kept, 0], side_factor, order=1)
        trim = (len(larger) - 32) // 2
        wanted = larger[trim : trim + 32, trim : trim + 32]
        assert np.allclose(enlarged(image[..., 0], side_factor)[0], wanted, atol=1e-12)
    planes = image[..., 0]
    assert np.allclose(zoom.all_at_once(planes, 0.02, 11), zoom.one_by_one(planes, 0.02, 11), atol=1e-12)


def test_plasma_is_periodic_and_rougher_where_it_decays_less():
    rough, smooth = (plasma(generators(0, "fog", 1, range(20)), 32, decay) for decay in (1.75, 3))
    for field in (rough, smooth):
        assert field.min() == 0 and field.max() == 1
        seam = np.abs(field[:, :, -1] - field[:, :, 0]).mean()
        assert seam < 2 * np.abs(np.diff(field, axis=2)).mean()
    assert np.abs(np.diff(rough, axis=2)).mean() > 1.2 * np.abs(np.diff(smooth, axis=2)).mean()


def test_fog_keeps_the_lightest_value_at_most(photos):
    made = corrupted(photos, "fog", 5, range(len(photos)))
    assert (made.max(axis=(1, 2, 3)) <= photos.max(axis=(1, 2, 3))).all()


def test_hsv_is_matplotlibs_to_the_bit():
    values = unit(np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8))
    values[0, :, :16] = values[0, :, :16, :1]  # grey
    values[1, :, :, 2] = values[1, :, :, 0]  # two largest, or two least
    values[2, :, :, 1] = values[2, :, :, 0]
    own, theirs = to_hsv(values), rgb_to_hsv(values)
    assert (np.stack(own, axis=-1) == theirs).all()
    assert (from_hsv(own) == hsv_to_rgb(theirs)).all()


def test_saturation_turns_grey_red_and_takes_colours_away():
    assert (corrupted(GREY[:1], "saturate", 3, [0]) == GREY[:1]).all()
    red, green, blue = corrupted(GREY[:1], "saturate", 5, [0])[0, 0, 0]
    assert red == 128 and green == blue < 128
    assert np.ptp(corrupted(np.full((1, 32, 32, 3), (200, 100, 50), np.uint8), "saturate", 2, [0])[0, 0, 0]) < 20


def test_contrast_keeps_the_mean(photos):
    made = corrupted(photos, "contrast", 5, range(len(photos))).astype(float)
    means = photos.astype(float).mean(axis=(1, 2))
    assert np.abs(made.mean(axis=(1, 2)) - means).max() < 1
    assert np.allclose(made.std(axis=(1, 2)), 0.15 * photos.astype(float).std(axis=(1, 2)), atol=0.3)


def test_elastic_of_the_mildest_severity_is_an_affine_map():
    """Straight lines stay straight: a ramp stays a plane, but at its mirrored edges."""
    ramp = np.broadcast_to(np.arange(0, 160, 5, dtype=np.uint8)[None, :, None], (32, 32, 3))
    made = corrupted(ramp[None], "elastic_transform", 1, [3])[0, 8:24, 8:24, 0].astype(float)
    rows, columns = np.mgrid[:16, :16]
    plane = np.stack([rows.ravel(), columns.ravel(), np.ones(256)], axis=1)
    rest = made.ravel() - plane @ np.linalg.lstsq(plane, made.ravel(), rcond=None)[0]
    assert np.abs(rest).max() < 1 and (made != ramp[8:24, 8:24, 0]).any()


def test_textures_of_frost_have_the_colours_and_roughness_of_the_photographs():
    """At the scale of 32x32: mean, deviation of greys, and mean difference between two rows."""
    gradients = (11, 14, 14, 22, 29)
    for picture, kind, gradient in zip(frost.textures(0.2, 32), KINDS, gradients, strict=True):
        grey = picture.astype(float).mean(axis=2)
        assert np.abs(picture.mean(axis=(0, 1)) - kind.colour).max() < 3
        assert grey.std() == pytest.approx(kind.std, rel=0.08)
        assert np.abs(np.diff(grey, axis=0)).mean() == pytest.approx(gradient, rel=0.15)
    assert frost.textures(0.2, 32) is frost.textures(0.2, 40)  # made once


def test_frost_changes_pixels_as_much_as_the_photographs_do(photos):
    changes = [
        float(np.abs(corrupted(photos, "frost", severity, range(len(photos))).astype(int) - photos).mean())
        for severity in range(1, 6)
    ]
    assert changes == pytest.approx([31.3, 46.7, 51.0, 45.7, 43.4], rel=0.2)


def test_the_authors_photographs_are_known_by_what_is_in_them(tmp_path, photos, monkeypatch):
    rng = np.random.default_rng(0)
    known = {}
    for number in range(1, 6):
        path = tmp_path / f"any name {number}.png"
        Image.fromarray(rng.integers(0, 256, (300, 400, 3), dtype=np.uint8)).save(path)
        known[frost.hashlib.md5(path.read_bytes()).hexdigest()] = f"frost{number}.png"
    monkeypatch.setattr(frost, "PHOTOGRAPHS", known)
    (tmp_path / "other.png").write_bytes(b"no picture")
    made = corrupted(photos[:4], "frost", 2, range(4), frost=str(tmp_path))
    assert (made != corrupted(photos[:4], "frost", 2, range(4))).any()
    with pytest.raises(UsageError, match="60 pixels high, and the images have 70"):
        frost.textures(0.2, 70, str(tmp_path))


def test_snow_falls_from_two_sides_and_only_brightens():
    black = np.zeros((1, 32, 32, 3), np.uint8)
    made = corrupted(black, "snow", 3, [0])[0].astype(int)
    background = int((1 - 0.9) * 0.5 * 255)
    fallen = made[..., 0] - background
    assert fallen.min() >= 0 and (np.abs(fallen - fallen[::-1, ::-1]) <= 1).all() and fallen.max() > 30


def mud(image: Pixels) -> Pixels:
    return corrupted(image, "spatter", 5, range(len(image)))


def test_mud_is_brown_where_it_is_thick_and_nothing_where_it_is_thin():
    made = mud(np.full((20, 32, 32, 3), 255, np.uint8))
    touched = (made != 255).any(axis=3)
    assert 0.005 < touched.mean() < 0.2
    assert made[touched].min(axis=0).tolist() == [63, 42, 20]
    assert made[touched].max() <= 255 - 0.8 * (255 - 63) + 1
