"""What an export for a board at the default level says of the level native."""

from dataclasses import replace

from device_agent.manifest import NativeOperators
from exporters import gain
from exporters.gain import gain_of_native, nothing_native
from exporters.onnx_exporter import export_onnx
from exporters.targets import TARGETS
from groupnl_deploy.models.layers.shape import ConvShape
from tests.rigs.groupnl_layers import PLAIN, layer_net

SIZE = (1, 16, 6, 6)


def raw(**knobs):
    return export_onnx(layer_net(ConvShape(16, 16, 3, padding=1), "relu", **knobs), SIZE)


def test_it_counts_the_operators_that_there_would_be():
    said = gain_of_native(raw(), "full", PLAIN)
    assert said is not None and "1 GroupNL:" in said and "measured on no board yet" in said


def test_it_says_nothing_where_there_is_nothing_to_say():
    assert gain_of_native(raw(), "native", PLAIN) is None
    assert gain_of_native(raw(), "full", TARGETS["generic"]) is None
    assert gain_of_native(raw(method="standard"), "full", PLAIN) is None


def test_who_asked_for_operators_of_ours_and_got_none_is_told():
    assert "what --optimize full makes of it" in (nothing_native("native", None) or "")
    some = NativeOperators("groupnl.native", 1, {"Depthwise": 1}, ())
    assert nothing_native("native", some) is None and nothing_native("full", None) is None


def test_it_says_nothing_where_somebody_has_measured_on_the_board(monkeypatch):
    measured = replace(PLAIN.costs, measured=True)
    monkeypatch.setattr(gain.Target, "costs", property(lambda self: measured))
    assert gain_of_native(raw(), "full", PLAIN) is None
