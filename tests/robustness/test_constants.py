"""The constants are the authors': each number against a second transcription of their three scripts."""

import re

import numpy as np
import pytest

from groupnl_deploy.images.corrupted import CORRUPTIONS
from groupnl_deploy.robustness.constants import CONSTANTS
from groupnl_deploy.robustness.corruptions import OPERATORS, table_of

PUBLISHED = """
gaussian_noise | .04 .06 .08 .09 .10 | .04 .08 .12 .15 .18 | .08 .12 .18 .26 .38
shot_noise | 500 250 100 75 50 | 250 100 50 30 15 | 60 25 12 5 3
impulse_noise | .01 .02 .03 .05 .07 | .01 .02 .05 .08 .14 | .03 .06 .09 .17 .27
speckle_noise | .06 .10 .12 .16 .20 | .15 .20 .25 .30 .35 | .15 .20 .35 .45 .60
gaussian_blur | .4 .6 .7 .8 1 | .5 .75 1 1.25 1.5 | 1 2 3 4 6
defocus_blur | .3,.4 .4,.5 .5,.6 1,.2 1.5,.1 | .5,.6 1,.1 1.5,.1 2.5,.01 3,.1 | 3,.1 4,.5 6,.5 8,.5 10,.5
glass_blur | .05,1,1 .25,1,1 .4,1,1 .25,1,2 .4,1,2 | .1,1,1 .5,1,1 .6,1,2 .7,2,1 .9,2,2 | .7,1,2 .9,2,1 1,2,3 1.1,3,2 1.5,4,2
motion_blur | 6,1 6,1.5 6,2 8,2 9,2.5 | 10,1 10,1.5 10,2 10,2.5 12,3 | 10,3 15,5 15,8 15,12 20,15
fog | .2,3 .5,3 .75,2.5 1,2 1.5,1.75 | .4,3 .7,3 1,2.5 1.5,2 2,1.75 | 1.5,2 2,2 2.5,1.7 2.5,1.5 3,1.4
brightness | .05 .10 .15 .20 .30 | .1 .2 .3 .4 .5 | .1 .2 .3 .4 .5
contrast | .75 .50 .40 .30 .15 | .4 .3 .2 .1 .05 | .4 .3 .2 .1 .05
saturate | .3,0 .1,0 1.5,0 2,.1 2.5,.2 | .3,0 .1,0 2,0 5,.1 30,.2 | .3,0 .1,0 2,0 5,.1 20,.2
pixelate | .95 .9 .85 .75 .65 | .9 .8 .7 .6 .5 | .6 .5 .4 .3 .25
jpeg_compression | 80 65 58 50 40 | 65 58 50 40 25 | 25 18 15 10 7
spatter | .62,.1,.7,.7,.5,0 .65,.1,.8,.7,.5,0 .65,.3,1,.69,.5,0 .65,.1,.7,.69,.6,1 .65,.1,.5,.68,.6,1 | .62,.1,.7,.7,.6,0 .65,.1,.8,.7,.6,0 .65,.3,1,.69,.6,0 .65,.1,.7,.68,.6,1 .65,.1,.5,.67,.6,1 | .65,.3,4,.69,.6,0 .65,.3,3,.68,.6,0 .65,.3,2,.68,.5,0 .65,.3,1,.65,1.5,1 .67,.4,1,.65,1.5,1
snow | .1,.2,1,.6,8,3,.95 .1,.2,1,.5,10,4,.9 .15,.3,1.75,.55,10,4,.9 .25,.3,2.25,.6,12,6,.85 .3,.3,1.25,.65,14,12,.8 | .1,.2,1,.6,8,3,.8 .1,.2,1,.5,10,4,.8 .15,.3,1.75,.55,10,4,.7 .25,.3,2.25,.6,12,6,.65 .3,.3,1.25,.65,14,12,.6 | .1,.3,3,.5,10,4,.8 .2,.3,2,.5,12,4,.7 .55,.3,4,.9,12,8,.7 .55,.3,4.5,.85,12,8,.65 .55,.3,2.5,.85,12,12,.55
frost | 1,.2,.2 1,.3,.2 .9,.4,.2 .85,.4,.2 .75,.45,.2 | 1,.3,.3 .9,.4,.3 .8,.45,.3 .75,.5,.3 .7,.55,.3 | 1,.4,1 .8,.6,1 .7,.7,1 .65,.7,1 .6,.75,1
"""  # noqa: E501
LAST_ZOOM = {
    32: [1.06, 1.11, 1.15, 1.20, 1.25],
    64: [1.06, 1.11, 1.15, 1.20, 1.25],
    224: [1.11, 1.15, 1.20, 1.24, 1.30],
}
ELASTIC = {  # amplitude, sigma and shift in pixels of an image of 32, of 64, and of 244, which the authors take for 224
    32: "0,0,2.56 1.6,6.4,2.24 2.56,1.92,1.92 3.2,1.28,1.6 3.2,.96,.96",
    64: "0,0,5.12 3.2,19.2,3.84 6.4,5.12,3.84 6.4,1.92,1.92 10.24,1.92,1.28",
    224: "488,170.8,24.4 488,19.52,48.8 12.2,2.44,4.88 17.08,2.44,4.88 29.28,2.44,4.88",
}


def test_constants_are_the_published_ones():
    rows = [re.split(r"\s*\|\s*", line) for line in PUBLISHED.strip().splitlines()]
    for name, *tables in rows:
        published = {side: numbers(text) for side, text in zip((32, 64, 224), tables, strict=True)}
        assert CONSTANTS[name] == published, name
    assert {name for name, *_ in rows} | {"zoom_blur", "elastic_transform"} == set(CONSTANTS)
    assert set(CONSTANTS) == set(OPERATORS) == set(CORRUPTIONS)


def numbers(text: str) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(map(float, one.split(","))) for one in text.split())


@pytest.mark.parametrize("side", [32, 64, 224])
def test_the_last_zoom_and_the_pixels_of_elastic_are_the_published_ones(side):
    zooms = [1 + step * (count - 1) for step, count in CONSTANTS["zoom_blur"][side]]
    assert np.allclose(zooms, LAST_ZOOM[side])
    elastic = np.array(CONSTANTS["elastic_transform"][side])
    assert np.allclose(elastic[:, :3] * side * elastic[:, 3:], numbers(ELASTIC[side]))


def test_other_sizes_get_the_table_of_the_nearest():
    sides = [16, 32, 45, 46, 64, 96, 119, 120, 224, 500]
    assert [table_of(side, side) for side in sides] == [32, 32, 32, 64, 64, 64, 64, 224, 224, 224]
    assert table_of(300, 40) == 32  # by the shorter side
