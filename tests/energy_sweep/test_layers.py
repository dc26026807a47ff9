"""Which layers and numbers of groups are measured, and what is refused before anything is."""

import pytest

from groupnl_deploy.energy_model.layer import LayerShape
from groupnl_deploy.energy_model.model import TooFewLayers
from groupnl_deploy.energy_sweep.layers import (
    DEFAULT_SHAPES,
    cells_of,
    group_counts,
    require_fit_for_a_fit,
    shapes_of,
    text_of,
    weights_bytes,
)
from groupnl_deploy.errors import UsageError


def test_the_default_is_eight_layers_of_nine_numbers_of_groups_or_more() -> None:
    shapes = shapes_of(",".join(DEFAULT_SHAPES))
    require_fit_for_a_fit(shapes)
    assert len(shapes) >= 8 and [text_of(shape) for shape in shapes] == list(DEFAULT_SHAPES)
    for shape in shapes:
        counts = group_counts(shape)
        assert len(counts) >= 9 and counts[0] == 1 and counts[-1] == shape.in_channels, "a single group to depthwise"
        assert {shape.in_channels // size for size in (2, 4, 8, 16, 32)} <= set(counts), "blocks of every runtime"
    assert len({shape.in_channels for shape in shapes}) > 2 and len({shape.height for shape in shapes}) > 2


@pytest.mark.parametrize(
    ("channels", "counts"),
    [
        (64, (1, 2, 4, 8, 16, 32, 64)),
        (96, (1, 2, 3, 4, 6, 12, 24, 48, 96)),
        (512, tuple(1 << power for power in range(10))),
        (7, (1, 7)),
    ],
)
def test_groups_are_powers_of_two_of_channels_and_others_where_those_are_few(channels, counts) -> None:
    assert group_counts(LayerShape(channels, channels, 3, 7, 7)) == counts


def test_a_layer_is_read_as_it_is_written() -> None:
    assert shapes_of("64x14x7x5, 8x4x4x1") == (LayerShape(64, 64, 5, 14, 7), LayerShape(8, 8, 1, 4, 4))
    assert weights_bytes(shapes_of("4x2x2x1")) == 20 * 4 * (16 + 8 + 4)
    assert list(cells_of(shapes_of("2x2x2x1"))) == [(LayerShape(2, 2, 1, 2, 2), groups) for groups in (1, 2)]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("64x14x14", "is no layer"),
        ("", "is no layer"),
        ("64x14x14x3,", "is no layer"),
        ("64x-1x14x3", "is no layer"),
        ("64x0x14x3", "height is 0"),
        ("64x14x14x2", "has no middle"),
        ("2048x7x7x3", "2.8 GiB of weights"),
    ],
)
def test_what_is_no_layer_is_refused_with_how_one_is_written(text: str, says: str) -> None:
    with pytest.raises(UsageError, match=says) as caught:
        shapes_of(text)
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("64x14x14x3,64x28x28x3,64x7x7x3", "3 layers, and a fit wants 4"),
        ("64x14x14x3,128x14x14x3,32x14x14x3,96x14x14x3", "maps of one size"),
        ("64x14x14x3,64x28x28x3,64x7x7x3,4x7x7x3", "2 numbers of groups beside depthwise"),
    ],
)
def test_too_little_for_a_fit_is_refused_before_it_is_measured(text: str, says: str) -> None:
    with pytest.raises(TooFewLayers, match=says):
        require_fit_for_a_fit(shapes_of(text))


def test_a_layer_that_is_named_twice_is_refused() -> None:
    with pytest.raises(UsageError, match="64x14x14x3 twice"):
        require_fit_for_a_fit(shapes_of("64x14x14x3,64x28x28x3,64x14x14x3,32x7x7x3"))
