"""What happens to a batch before a network sees it."""

import torch

from groupnl_deploy.training.augmentation import shift_randomly


def test_shifts_stay_within_their_limit_and_keep_the_pixels():
    random = torch.Generator().manual_seed(0)
    images = torch.zeros(200, 1, 9, 9, dtype=torch.uint8)
    images[:, 0, 4, 4] = 7
    shifted = shift_randomly(images, random, 2)
    places = shifted.nonzero()[:, 2:] - 4
    assert shifted.shape == images.shape
    assert (shifted.flatten(1).sum(dim=1) == 7).all()
    assert {tuple(place) for place in places.tolist()} == {(y, x) for y in range(-2, 3) for x in range(-2, 3)}
    assert torch.equal(shift_randomly(images, random, 0), images)


def test_shifts_come_from_the_generator_alone():
    images = torch.randint(0, 256, (20, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    first, other, again = (shift_randomly(images, torch.Generator().manual_seed(seed), 2) for seed in (0, 1, 0))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
