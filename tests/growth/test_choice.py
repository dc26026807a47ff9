"""Which candidates are taken, how many, and how growth is refused that cannot be."""

import pytest
import torch
from torch import Tensor, nn

from groupnl_deploy.errors import InvalidSetting
from groupnl_deploy.growth.budget import Pool, growing_bundles, pools_of
from groupnl_deploy.growth.choices import Select
from groupnl_deploy.growth.choose import Choice, choose
from groupnl_deploy.growth.refusal import CannotGrow
from groupnl_deploy.growth.search import Scores
from groupnl_deploy.growth.step import GrowthSettings
from groupnl_deploy.models.probe.candidates import Growing
from groupnl_deploy.models.probe.layout import Growth, Layout
from groupnl_deploy.models.probe.wiring import wire
from groupnl_deploy.models.registry import model_spec
from groupnl_deploy.models.sketch import sketch

_GROWING = {0: Growing(Layout(3), 2), 1: Growing(Layout(2), 2)}
_SCORES = Scores(
    {0: torch.tensor([-1.0, 5.0, -2.0]), 1: torch.tensor([-2.0, 7.0])},
    {0: torch.tensor([-2.0, 3.0]), 1: torch.tensor([-3.0, 2.0])},
)


def _choose(budget: int, select: Select = "score", scores: Scores | None = _SCORES, **kinds: int) -> Choice:
    pool = Pool((0, 1), 5, budget)
    generator = torch.Generator().manual_seed(0)
    return choose([pool], _GROWING, {0: 1, 1: 1}, scores, select, generator, **kinds)  # type: ignore[arg-type]


def test_exactly_as_many_as_asked_for_are_taken_and_of_equal_scores_the_first() -> None:
    choice = _choose(3)

    assert choice.growths == {0: Growth(split=(2,), new=(0,)), 1: Growth(new=(0,))}
    assert choice.thresholds == {0: -2.0, 1: -2.0}


@pytest.mark.parametrize("budget", range(1, 10))
@pytest.mark.parametrize("select", ["score", "random", "uniform"])
def test_any_budget_up_to_all_candidates_is_met_exactly(budget: int, select: Select) -> None:
    growths = _choose(budget, select).growths

    assert sum(growth.units for growth in growths.values()) == budget
    if select == "uniform" and budget <= 8:
        assert abs(growths[0].units - growths[1].units) <= 1


def test_fireflys_rule_takes_one_more() -> None:
    assert sum(growth.units for growth in _choose(3, one_more=True).growths.values()) == 4


def test_to_make_a_width_a_multiple_the_worst_of_its_candidates_are_left_out() -> None:
    growths = _choose(5, multiple_of=4).growths  # of three and two channels

    assert (3 + growths[0].units) % 4 == 0 or growths[0].units == 0
    assert (2 + growths[1].units) % 4 == 0 or growths[1].units == 0


def test_a_unit_that_costs_more_than_is_left_is_passed_over() -> None:
    growing = {0: Growing(Layout(16, 2, 4), 1), 1: Growing(Layout(2), 1)}
    scores = Scores({0: torch.tensor([-9.0, -8.0]), 1: _of(-1, -2)}, {0: _of(-7), 1: _of(0)})

    choice = choose([Pool((0, 1), 18, 10)], growing, {0: 8, 1: 1}, scores, "score", torch.Generator())

    assert choice.growths == {0: Growth(split=(0,)), 1: Growth(split=(0, 1))}


def _of(*values: float) -> Tensor:
    return torch.tensor([float(value) for value in values])


def test_mobilenets_first_four_convolutions_have_a_budget_of_their_own() -> None:
    spec = model_spec("mobilenetv1_cifar", width=0.25)
    wiring = wire(sketch(spec).eval())

    first, others = pools_of(spec.name, wiring, growing_bundles(wiring, 8, "inner"), 0.5, "inner")

    assert [wiring.bundles[number].writers for number in first.bundles] == [
        ("conv_stem",),
        ("blocks.0.0.conv_pw",),
        ("blocks.1.0.conv_pw",),
        ("blocks.1.1.conv_pw",),
    ]
    assert (first.width, first.budget, len(others.bundles)) == (8 + 16 + 32 + 32, 44, 10)


def test_more_than_all_candidates_is_refused_with_the_largest_share() -> None:
    spec = model_spec("vgg11_cifar", width=0.125)
    wiring = wire(sketch(spec).eval())
    growing = growing_bundles(wiring, 4, "inner")

    with pytest.raises(CannotGrow) as refused:
        pools_of(spec.name, wiring, growing, 1.5, "inner")

    assert "--gamma 1.5 asks for" in refused.value.message
    largest = float(refused.value.remedy.split()[2])
    assert 1 < largest < 1.5
    assert pools_of(spec.name, wiring, growing, largest, "inner")
    with pytest.raises(CannotGrow, match="asks for"):
        pools_of(spec.name, wiring, growing, largest + 0.01, "inner")


def test_a_share_that_adds_nothing_is_refused() -> None:
    spec = model_spec("vgg11_cifar", "groupnl", width=0.125)
    wiring = wire(sketch(spec).eval())
    growing = growing_bundles(wiring, 8, "inner")

    with pytest.raises(CannotGrow) as refused:
        pools_of(spec.name, wiring, growing, 0.01, "inner")

    assert "the smallest step is 8" in refused.value.message
    assert pools_of(spec.name, wiring, growing, float(refused.value.remedy.split()[2]), "inner")


def test_what_sparse_groupnl_reads_and_writes_stays_and_says_why() -> None:
    spec = model_spec("mobilenetv1_cifar", "groupnl-sparse", width=0.25)
    wiring = wire(sketch(spec).eval(), sparse=True)

    (last,) = growing_bundles(wiring, 8, "inner")

    assert wiring.bundles[last].writers == ("blocks.4.1.conv_pw",)
    assert wiring.bundles[1].fixed == "blocks.0.0.conv_dw (GroupNLConv2d) reads it"


def test_a_network_that_cannot_grow_at_all_is_refused_with_the_first_reason() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3, groups=2), nn.Flatten(), nn.Linear(16, 2))

    with pytest.raises(CannotGrow, match=r"No layer of this network can grow; 0 stays: 2 \(Conv2d\) reads it"):
        growing_bundles(wire(network.eval()), 8, "inner")


class _Joined(nn.Module):
    """Two convolutions whose maps stand side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.other = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat((self.one(x), self.other(x)), dim=1).mean((2, 3))


def test_what_is_not_known_is_called_by_its_name() -> None:
    assert [bundle.fixed for bundle in wire(_Joined().eval()).bundles if bundle.writers] == ["cat reads it"] * 2


def test_room_for_less_than_a_unit_is_refused() -> None:
    spec = model_spec("vgg11_cifar", "groupnl", width=0.125)

    with pytest.raises(CannotGrow, match="less than one unit of a GroupNL convolution here, 8 channels"):
        growing_bundles(wire(sketch(spec).eval()), 4, "inner")


@pytest.mark.parametrize("wrong", [{"gamma": 0.0}, {"gamma": float("nan")}, {"k_new": -1}, {"epochs": 0}])
def test_settings_that_mean_nothing_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidSetting, match=f"--{next(iter(wrong)).replace('_', '-')}"):
        GrowthSettings(**({"gamma": 0.9} | wrong))  # type: ignore[arg-type]
