"""Every nonlinear function against its formula, its slope against finite differences, and its limits."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from groupnl_deploy.models.layers.nlf import NLFS

VALUES = {
    "sinusoidal": lambda x, omega, phi: math.sin(omega * (x + phi)),
    "monomial": lambda x, eta: math.copysign(abs(x) ** eta, x),
    "gaussian": lambda x, epsilon: math.exp(-((epsilon * x) ** 2)),
    "laplace": lambda x, epsilon: epsilon / 2 * math.exp(-epsilon * abs(x)),
    "laplace-literal": lambda x, epsilon: epsilon / 2 * math.exp(-epsilon * x),
}

# Away from zero, where sign(x) and |x| have corners that finite differences see.
seeds = st.floats(0.01, 3).flatmap(lambda size: st.sampled_from([size, -size]))


def hyper_parameters(name: str, fraction: float) -> list[torch.Tensor]:
    return [torch.tensor(low + fraction * (high - low)).double() for low, high in NLFS[name].ranges.values()]


def test_the_table_is_complete_and_keyed_by_name():
    assert set(NLFS) == set(VALUES)
    assert all(nlf.name == name and nlf.formula and nlf.source for name, nlf in NLFS.items())


def test_multiplications_per_element_are_those_the_paper_counts():
    assert {name: nlf.multiplies for name, nlf in NLFS.items()} == {
        "sinusoidal": 1,
        "monomial": 1,
        "gaussian": 1,
        "laplace": 2,
        "laplace-literal": 2,
    }


@pytest.mark.parametrize("name", NLFS)
@given(x=seeds, fraction=st.floats(0, 1))
def test_values_follow_the_formula(name, x, fraction):
    each = hyper_parameters(name, fraction)
    value = NLFS[name](torch.tensor(x).double(), *each)
    expected = VALUES[name](torch.tensor(x).double().item(), *(h.item() for h in each))
    assert value.item() == pytest.approx(expected, rel=1e-12, abs=1e-12)


@given(x=seeds, omega=st.floats(1, 2), phi=st.floats(1, 5))
def test_the_minus_sign_subtracts_the_shift(x, omega, phi):
    x, omega, phi = (torch.tensor(v).double() for v in (x, omega, phi))
    torch.testing.assert_close(NLFS["sinusoidal"](x, omega, phi, phi_sign=-1), torch.sin(omega * (x - phi)))


@pytest.mark.parametrize("name", NLFS)
@pytest.mark.parametrize("sign", [1, -1])
@given(x=seeds, fraction=st.floats(0, 1))
def test_the_slope_is_the_derivative(name, sign, x, fraction):
    nlf, each = NLFS[name], hyper_parameters(name, fraction)
    point = torch.tensor([x], dtype=torch.double, requires_grad=True)
    (derivative,) = torch.autograd.grad(nlf(point, *each, phi_sign=sign).sum(), point)
    torch.testing.assert_close(nlf.slope(point.detach(), *each, phi_sign=sign), derivative)
    step = 1e-6
    difference = nlf(point + step, *each, phi_sign=sign) - nlf(point - step, *each, phi_sign=sign)
    torch.testing.assert_close(difference / (2 * step), derivative, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", NLFS)
@pytest.mark.parametrize("fraction", [0.0, 0.5])
def test_gradients_at_zero_are_finite_and_both_forms_agree(name, fraction):
    nlf, each = NLFS[name], hyper_parameters(name, fraction)
    zero = torch.zeros(1, dtype=torch.double, requires_grad=True)
    (derivative,) = torch.autograd.grad(nlf(zero, *each).sum(), zero)
    assert torch.isfinite(derivative).all()
    torch.testing.assert_close(nlf.slope(zero.detach(), *each, phi_sign=1), derivative)


@pytest.mark.parametrize("name", NLFS)
def test_the_result_may_be_written_to_a_given_tensor(name):
    nlf, each = NLFS[name], [value.expand(3, 1) for value in hyper_parameters(name, 0.5)]
    x, out = torch.randn(5).double(), torch.empty(3, 5).double()
    nlf(x, *each, out=out)
    torch.testing.assert_close(out, nlf(x, *each))


def test_the_printed_laplace_grows_for_negative_maps_where_the_density_decays():
    x, scale = torch.tensor(-50.0), torch.tensor(2.0)
    assert NLFS["laplace"](x, scale) < 1e-40
    assert NLFS["laplace-literal"](x, scale) > 1e40 or NLFS["laplace-literal"](x, scale).isinf()
