"""What happens to a batch before a network sees it."""

import pytest
import torch

from groupnl_deploy.training.augmentation import crop, crop_flip_jitter, relight, shift_randomly, whole


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def noise(*shape):
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator(1))


def test_shifts_stay_within_their_limit_and_keep_the_pixels():
    images = torch.zeros(200, 1, 9, 9, dtype=torch.uint8)
    images[:, 0, 4, 4] = 7
    shifted = shift_randomly(images, generator(), 2)
    places = shifted.nonzero()[:, 2:] - 4
    assert shifted.shape == images.shape
    assert (shifted.flatten(1).sum(dim=1) == 7).all()
    assert {tuple(place) for place in places.tolist()} == {(y, x) for y in range(-2, 3) for x in range(-2, 3)}
    assert torch.equal(shift_randomly(images, generator(), 0), images)


def test_an_image_with_a_margin_is_shown_whole():
    halves = torch.tensor([[0, 0, 200, 200]], dtype=torch.uint8).repeat(4, 1).view(1, 1, 4, 4)
    smaller = whole(halves, (2, 2))
    assert smaller.dtype == torch.uint8 and smaller.shape == (1, 1, 2, 2)
    assert (smaller[..., 0] < 60).all() and (smaller[..., 1] > 140).all()
    assert whole(halves, (4, 4)) is halves


def test_windows_reach_every_corner_and_no_further():
    images = torch.arange(12, dtype=torch.uint8).view(1, 1, 3, 4).repeat(3, 1, 1, 1)
    corners = torch.tensor([[0.0, 0.0], [0.999, 0.999], [1.0, 0.4]])
    windows = crop(images, corners, (2, 2))
    assert windows[:, 0].tolist() == [[[0, 1], [4, 5]], [[6, 7], [10, 11]], [[5, 6], [9, 10]]]


def test_all_windows_are_as_likely_and_half_are_mirrored():
    images = torch.arange(8, dtype=torch.uint8).view(1, 1, 2, 4).repeat(4000, 1, 1, 1)
    windows = crop_flip_jitter(images, generator(), (1, 3), jitter=0)[:, 0, 0]
    kinds, counts = windows.unique(dim=0, return_counts=True)
    assert kinds.tolist() == [[0, 1, 2], [1, 2, 3], [2, 1, 0], [3, 2, 1], [4, 5, 6], [5, 6, 7], [6, 5, 4], [7, 6, 5]]
    assert counts.min() > 420 and counts.max() < 580
    straight = crop_flip_jitter(images, generator(), (1, 3), flip=False, jitter=0)[:, 0, 0]
    assert straight.unique(dim=0).tolist() == [[0, 1, 2], [1, 2, 3], [4, 5, 6], [5, 6, 7]]


def test_light_by_hand():
    # A red pixel of grey 0.299 * 100 = 29.9 and a white one of 200: their mean grey is 114.95.
    image = torch.tensor([[100, 200], [0, 200], [0, 200]], dtype=torch.uint8).view(1, 3, 1, 2)

    def lit(brightness=1.0, contrast=1.0, saturation=1.0):
        factors = (torch.tensor([value]) for value in (brightness, contrast, saturation))
        return relight(image, *factors)[0, :, 0].T.tolist()

    assert lit() == [[100, 0, 0], [200, 200, 200]]
    assert lit(brightness=1.5) == [[150, 0, 0], [255, 255, 255]]
    assert lit(contrast=0.0) == [[115, 115, 115], [115, 115, 115]]
    assert lit(saturation=0.0) == [[30, 30, 30], [200, 200, 200]]
    # 0.5 * 2 * (0.5 * pixel + 0.5 * grey) + 0.5 * 2 * 114.95
    assert lit(2.0, 0.5, 0.5) == [[180, 130, 130], [255, 255, 255]]


def test_grey_images_have_light_and_no_colour():
    image = torch.tensor([50, 150], dtype=torch.uint8).view(1, 1, 1, 2)
    once, again = (relight(image, *(torch.tensor([v]) for v in (1.0, 0.5, s))) for s in (0.0, 2.0))
    assert torch.equal(once, again)
    assert once.flatten().tolist() == [75, 125]


@pytest.mark.parametrize("channels", [1, 3])
def test_all_of_it_comes_from_the_generator_alone_and_no_image_depends_on_its_neighbours(channels):
    images = noise(20, channels, 9, 9)
    first, other, again = (crop_flip_jitter(images, generator(seed), (8, 8)) for seed in (0, 1, 0))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert first.shape == (20, channels, 8, 8) and first.dtype == torch.uint8
    changed = images.clone()
    changed[1:] = 0
    assert torch.equal(crop_flip_jitter(changed, generator(), (8, 8))[0], first[0])


def test_shifts_come_from_the_generator_alone():
    images = noise(20, 3, 8, 8)
    first, other, again = (shift_randomly(images, generator(seed), 2) for seed in (0, 1, 0))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
