"""What an export is judged against: double precision, and what single precision itself is off by."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from exporters.amplification import where_it_fails
from exporters.errors import Amplified, BatchBaked, ExportFailed, ParityError
from exporters.onnx_exporter import export_onnx
from exporters.optimize import optimize
from exporters.parity import compare, golden_pair, onnx_logits, prove_onnx, prove_torch, tie
from exporters.reference import reference_of, torch_logits
from exporters.right_answers import runs_of, samples_of
from exporters.tolerances import DYNAMIC, TOLERANCE

IMAGES = np.random.default_rng(0).standard_normal((8, 3, 12, 12)).astype(np.float32)


class Amplify(nn.Module):
    """A sine of huge arguments, which turns roundings into answers."""

    def __init__(self, by: float) -> None:
        super().__init__()
        self.by = by

    def forward(self, x):
        return torch.sin(x * self.by)


class Around(nn.Module):
    """A stem, something in the middle, a head: (N, 3, 12, 12) → (N, 5)."""

    def __init__(self, middle, pooled: bool = True) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem, self.middle, self.relu = nn.Conv2d(3, 8, 3), middle, nn.ReLU(inplace=True)
        self.head, self.pooled = nn.Linear(8, 5), pooled

    def forward(self, x):
        x = self.relu(self.middle(self.stem(x)))
        return self.head(x.mean((2, 3)) if self.pooled else x)


def amplifying(by: float = 1e4) -> nn.Module:
    return Around(nn.Sequential(nn.Conv2d(8, 8, 1), Amplify(by))).eval()


def test_the_reference_is_double_precision_and_the_network_stays_as_it_was():
    model = Around(nn.Conv2d(8, 8, 1)).eval()
    before = copy.deepcopy(model.state_dict())
    reference = reference_of(model, IMAGES)
    with torch.inference_mode():
        right = copy.deepcopy(model).double()(torch.from_numpy(IMAGES).double()).numpy()
    assert reference.main.rows.dtype == np.float64 and np.allclose(reference.main.rows, right, rtol=1e-12, atol=0)
    assert reference.main.eager_error == np.abs(torch_logits(model, IMAGES) - reference.main.rows).max() > 0
    assert reference.main.spread == pytest.approx(right.std(), rel=1e-12) and reference.amplifier is None
    assert all(torch.equal(model.state_dict()[name], tensor) for name, tensor in before.items())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    assert torch.get_default_dtype() == torch.float32


def test_a_network_that_amplifies_rounding_is_named_with_the_place_and_by_how_much():
    reference = reference_of(amplifying(), IMAGES)
    parity = prove_torch(reference, amplifying())
    assert (
        parity.tolerance == pytest.approx(2 * reference.main.eager_error / reference.main.spread)
        and parity.tolerance > TOLERANCE
    )
    assert parity.eager_error == reference.main.eager_error and parity.reference == "float64"
    assert parity.amplifier.module == "middle.1" and parity.amplifier.before < 1e-6 < parity.amplifier.after
    assert "amplifies rounding" in parity.amplification and "begins in middle.1" in parity.amplification


def test_its_export_passes_at_every_pass_and_is_as_near_as_eager_is():
    model = amplifying()
    reference = reference_of(model, IMAGES)
    best = optimize(export_onnx(model, (1, 3, 12, 12)), lambda graph: prove_onnx(reference, graph))
    assert TOLERANCE * reference.main.spread < best.parity.max_abs_error <= 2 * reference.main.eager_error


def test_a_pass_that_goes_beyond_it_is_not_blamed_alone():
    model = amplifying()
    reference = reference_of(model, IMAGES)
    beyond = reference.main.rows + 3 * reference.main.eager_error
    with pytest.raises(Amplified, match="amplifies rounding"):
        compare(reference.main.rows, beyond, eager_error=reference.main.eager_error, amplifier=reference.amplifier)


def test_where_no_module_is_far_off_it_is_the_one_that_multiplies_the_error_most():
    reference = reference_of(amplifying(60.0), IMAGES)
    assert reference.amplifier is None or reference.amplifier.module == "middle.1"


class Bare(nn.Module):
    """A network without a module inside."""

    def forward(self, x):
        return torch.sin(3e4 * x.mean((2, 3)))


def test_a_network_without_modules_amplifies_as_a_whole():
    assert reference_of(Bare(), IMAGES).amplifier.module == "the network itself"


def test_a_calm_network_has_the_plain_tolerance_and_nothing_to_say():
    model = Around(nn.Conv2d(8, 8, 1)).eval()
    parity = prove_torch(reference_of(model, IMAGES), model)
    assert parity.tolerance == TOLERANCE and parity.amplification is None and parity.eager_error > 0


@pytest.mark.parametrize(
    ("eager", "off", "passes"),
    [(0.0, 0.9e-4, True), (0.0, 1.1e-4, False), (1e-4, 1.9e-4, True), (1e-4, 2.1e-4, False), (1e-5, 1.1e-4, False)],
)
def test_allowed_is_a_ten_thousandth_of_the_spread_or_twice_what_eager_is_off_by(eager, off, passes):
    right = np.array([[0.0, 1.0], [3.0, -1.0]])
    spread = right.std()
    found = right + off * spread * np.array([[1, 0], [0, 0]])
    if passes:
        assert compare(right, found, eager_error=eager * spread).tolerance == max(1e-4, 2 * eager)
    else:
        with pytest.raises(ParityError, match="differs from its source"):
            compare(right, found, eager_error=eager * spread)


def test_two_answers_that_rounding_cannot_tell_apart_may_change_places_and_no_others():
    right, found = np.array([[1.0, 1.0 + 3e-4], [30.0, -10.0]]), np.array([[1.0 + 2e-4, 1.0 + 1e-4], [30.0, -10.0]])
    assert compare(right, found, eager_error=1e-4).same_top1 and tie(1e-4) == pytest.approx(4e-4)
    with pytest.raises(ParityError, match="top-1"):
        compare(right, found, eager_error=0.5e-4)


def test_the_golden_pair_allows_ten_times_what_the_proof_does():
    calm = Around(nn.Conv2d(8, 8, 1)).eval()
    for model in (calm, amplifying()):
        reference = reference_of(model, IMAGES)
        parity = prove_torch(reference, model)
        golden, inputs, outputs = golden_pair(reference, parity)
        image, logits = inputs["input"], outputs["logits"]
        assert golden.tolerances == pytest.approx(
            (10 * parity.tolerance * parity.output_std,)
        ) and golden.tie == 10 * tie(parity.eager_error)
        assert image.shape == (1, 3, 12, 12) and np.allclose(
            torch_logits(model, image), logits, atol=3 * parity.eager_error
        )
        lead = np.sort(reference.main.rows, axis=1)
        assert np.diff(np.sort(logits[0]))[-1] == pytest.approx((lead[:, -1] - lead[:, -2]).max(), rel=1e-5)


def test_batches_are_every_image_alone_then_the_last_ones_together():
    samples = samples_of("input", IMAGES)
    assert [len(run["input"]) for run in runs_of(samples, DYNAMIC)] == [1] * 8 + [2, 5]
    assert [len(run["input"]) for run in runs_of(samples[:3], DYNAMIC)] == [1] * 3 + [2, 5]


class Reshaped(nn.Module):
    def forward(self, x):
        return x.mean((2, 3)).reshape(1, -1)


class Squeezed(nn.Module):
    def forward(self, x):
        return nn.functional.adaptive_avg_pool2d(x, 1).squeeze()


class Looped(nn.Module):
    def forward(self, x):
        return torch.stack([x[index] * (1 + x[index].mean()) for index in range(len(x))])


@pytest.mark.parametrize("middle", [Reshaped(), Squeezed()])
def test_a_network_that_loses_the_batch_is_refused_by_what_does_it(middle):
    with pytest.raises(ExportFailed) as caught:
        reference_of(Around(middle, pooled=False).eval(), IMAGES, DYNAMIC)
    said = caught.value.message + caught.value.remedy
    assert "squeeze" in said or "reshape(1, -1)" in said
    assert "head" in said or "(5,)" in said


def test_a_squeeze_is_refused_for_one_image_too():
    with pytest.raises(ExportFailed, match=r"shape \(5,\), where \(1, classes\)"):
        reference_of(Around(Squeezed(), pooled=False).eval(), IMAGES)


def test_a_loop_over_the_batch_is_refused_where_the_batch_is_dynamic_and_right_for_one():
    model = Around(Looped()).eval()
    fixed = reference_of(model, IMAGES)
    assert prove_onnx(fixed, export_onnx(model, (1, 3, 12, 12))).batches == (1,)
    warned: list[str] = []
    raw = export_onnx(model, (1, 3, 12, 12), dynamic_batch=True, notice=warned.append)
    reference = reference_of(model, IMAGES, DYNAMIC)
    with pytest.raises(BatchBaked, match="froze the batch of one image") as caught:
        optimize(raw, lambda graph: prove_onnx(reference, graph))
    assert "loop over the images" in caught.value.remedy
    assert any("might cause the trace to be incorrect" in text for text in warned)


def test_a_pass_that_bakes_the_batch_is_caught():
    model = Around(nn.Conv2d(8, 8, 1)).eval()
    reference = reference_of(model, IMAGES, DYNAMIC)
    raw = export_onnx(model, (1, 3, 12, 12), dynamic_batch=True)
    assert prove_onnx(reference, raw).batches == DYNAMIC
    baked = export_onnx(model, (1, 3, 12, 12))
    with pytest.raises(BatchBaked, match="a batch of 2 fails"):
        prove_onnx(reference, baked)


def test_a_dynamic_graph_gives_the_same_for_any_number():
    model = Around(nn.Conv2d(8, 8, 1)).eval()
    raw = export_onnx(model, (1, 3, 12, 12), dynamic_batch=True)
    best = optimize(raw, lambda graph: prove_onnx(reference_of(model, IMAGES, DYNAMIC), graph))
    assert np.allclose(onnx_logits(best.model, IMAGES, (3,)), torch_logits(model, IMAGES[-3:]), atol=1e-5)


def test_the_module_that_fails_is_named():
    model = Around(nn.Sequential(nn.ReLU(), nn.Conv2d(4, 4, 1))).eval()
    assert where_it_fails(model, torch.zeros(1, 3, 12, 12)) == "middle.1"
    with pytest.raises(ExportFailed, match=r"fails in middle\.1: "):
        reference_of(model, IMAGES)


class Tuple(nn.Module):
    def forward(self, x):
        return x.mean((2, 3)), x


def test_a_network_of_several_outputs_is_refused():
    with pytest.raises(ExportFailed, match="returns a tuple"):
        reference_of(Tuple(), IMAGES)


@pytest.mark.parametrize(("times", "passes"), [(1, True), (60, False)])
def test_what_rounding_does_not_explain_is_tried_on_more_images(times, passes):
    model = Around(nn.Conv2d(8, 8, 1)).eval()
    asked = []

    def more():
        asked.append(True)
        return times * IMAGES

    reference = reference_of(model, IMAGES, more=more)
    prove_torch(reference, model)
    assert not asked, "an ordinary difference needs no more images"
    off = copy.deepcopy(model)
    moved = np.abs(reference.main.rows - model.head.bias.detach().numpy()).max()
    off.head.weight.data *= 1 + 0.3 * TOLERANCE * reference.main.spread / moved
    if passes:
        assert prove_torch(reference, off).max_abs_error < 0.6 * TOLERANCE * reference.main.spread
    else:
        with pytest.raises(ParityError, match="differs from its source"):
            prove_torch(reference, off)
    assert asked == [True]


@torch.jit.script
def scripted(x: torch.Tensor) -> torch.Tensor:
    return torch.sin(3e4 * x)


class HoldsAScript(nn.Module):
    """What holds a scripted function cannot be copied."""

    def __init__(self) -> None:
        super().__init__()
        self.weight, self.function = nn.Parameter(torch.ones(8, 1, 1)), scripted

    def forward(self, x):
        return self.function(x * self.weight)


def test_a_network_that_cannot_be_copied_is_computed_in_double_precision_too():
    model = Around(HoldsAScript()).eval()
    with pytest.raises(Exception, match="pickled"):
        copy.deepcopy(model)
    reference = reference_of(model, IMAGES)
    other = Around(Amplify(3e4)).eval()
    assert np.allclose(reference.main.rows, reference_of(other, IMAGES).main.rows, rtol=1e-12)
    assert reference.amplifier.module == "middle" and model.middle.weight.dtype == torch.float32
    assert optimize(export_onnx(model, (1, 3, 12, 12)), lambda graph: prove_onnx(reference, graph)).parity.same_top1


class MakesTensors(nn.Module):
    def forward(self, x):
        return x @ torch.eye(10) + torch.zeros(10)


def test_tensors_that_a_network_makes_on_its_way_are_double_too():
    assert reference_of(Around(MakesTensors()).eval(), IMAGES).main.rows.dtype == np.float64


class Lots(nn.Module):
    """A head, and chance behind it."""

    def __init__(self, draw) -> None:
        super().__init__()
        self.head, self.draw = nn.Linear(432, 5), draw

    def forward(self, x):
        return self.draw(self.head(x.flatten(1)))


@pytest.mark.parametrize("draw", [nn.functional.dropout, lambda x: x + torch.rand_like(x)], ids=["dropout", "rand"])
def test_a_network_that_draws_lots_is_refused_and_not_called_an_amplifier(draw):
    with pytest.raises(ExportFailed, match="another answer each time"):
        reference_of(Lots(draw).eval(), IMAGES)


def test_a_network_with_which_any_graph_would_pass_is_refused():
    with pytest.raises(Amplified, match=r"nothing can be proved.*It begins in middle"):
        reference_of(amplifying(1e8), IMAGES)


class Dead(nn.Module):
    """One number whatever the image, which single and double precision round otherwise."""

    def forward(self, x):
        return torch.sqrt(torch.full((len(x), 2), 0.07, dtype=x.dtype))


def test_one_number_for_every_class_and_image_is_said_to_be_that():
    with pytest.raises(ParityError, match=r"0.264575 for every class and image"):
        reference_of(Dead().eval(), IMAGES)
