"""What the picture of a recording shows, and what it must never show."""

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from groupnl_deploy.report.downsample import rows_to_draw
from groupnl_deploy.report.phases import PhaseTime
from groupnl_deploy.report.pictures import PICTURE_FORMATS
from groupnl_deploy.report.power_plot import draw_power
from groupnl_deploy.report.power_plot import power_figure as figure_of
from groupnl_deploy.report.recordings import DrawnRecording
from power.energy import EnergyIndex
from power.errors import WindowNotCovered
from power.marks import Mark
from power.trace import MeterFacts, PowerTrace

SIGNS = {"png": b"\x89PNG", "pdf": b"%PDF", "svg": b"<svg"}


def index_of(t_s, power_w, averaging="block", emulated: bool | None = False) -> EnergyIndex:
    facts = MeterFacts("km003c", "serial", "/dev/ttyACM0", emulated, 1, "vbus/ibus", 0.5, averaging)
    return EnergyIndex(PowerTrace(facts, 0.0, None, t_s, [5.0] * len(t_s), np.asarray(power_w) / 5.0))


def drawn(index, name, phases=(), problems=(), about="", marks=()) -> DrawnRecording:
    return DrawnRecording(name, index, tuple(phases), tuple(marks), tuple(problems), about=about)


def power_figure(*one, **more):
    return figure_of([drawn(*one, **more)])


def words(figure) -> str:
    return "\n".join(text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text")))


HOLED = ([0.0, 0.5, 1.0, 4.0, 4.5, 5.0], [2.0, 2.1, 2.0, 6.0, 6.1, 6.0])


@pytest.mark.parametrize("averaging", ["block", "instant"])
def test_no_line_and_no_step_crosses_a_hole(averaging) -> None:
    figure = power_figure(index_of(*HOLED, averaging=averaging), "trace.csv")
    for axes in figure.axes:
        (line,) = axes.lines
        points = line.get_xydata()
        broken = np.flatnonzero(np.isnan(points[:, 1]))
        assert len(broken) == 1
        # A step begins where the point before it lies, so the pen must come down at the hole's very end.
        assert points[broken[0] - 1, 0] == 1.0 and points[broken[0] + 1, 0] == 4.0
        assert points[broken[0], 0] == 4.0
        spans = [patch for patch in axes.patches if patch.get_hatch()]
        assert [(span.get_x(), span.get_x() + span.get_width()) for span in spans] == [(1.0, 4.0)]
    assert "3 s without measurement" in words(figure) and "no measurement" in words(figure)


def test_a_whole_recording_says_its_joules() -> None:
    figure = power_figure(index_of([0.0, 0.5, 1.0], [4.0, 4.0, 4.0]), "trace.csv")
    assert "4 J in 1 s, mean 4 W" in words(figure)
    assert not [patch for axes in figure.axes for patch in axes.patches]


def test_joules_of_a_meter_that_outran_its_polls_are_no_joules_in_the_picture() -> None:
    figure = power_figure(index_of([0.05 * k for k in range(60)], [4.0 + 1e-5 * k for k in range(60)]), "trace.csv")
    assert figure.get_suptitle() == "INVALID: trace.csv"
    assert "renewed its values faster than it was asked. How wrong the joules are is not known" in words(figure)


def test_block_means_are_steps_and_instants_are_lines() -> None:
    styles = {
        averaging: power_figure(index_of(*HOLED, averaging=averaging), "t").axes[0].lines[0].get_drawstyle()
        for averaging in ("block", "instant")
    }
    assert styles == {"block": "steps-pre", "instant": "default"}


def test_what_is_emulated_or_unknown_is_marked() -> None:
    assert words(power_figure(index_of(*HOLED, emulated=True), "t")).count("EMULATED") == 2
    assert "EMULATED" not in words(power_figure(index_of(*HOLED, emulated=False), "t"))
    assert "not known whether a real meter" in words(power_figure(index_of(*HOLED, emulated=None), "t"))


def test_phases_are_shaded_in_both_panels_and_named() -> None:
    phases = (PhaseTime("idle_before", -1.0, 1.0), PhaseTime("load", 1.0, 1.1), PhaseTime("steady", 1.1, 4.0))
    t_s = np.arange(0.0, 5.5, 0.5)
    figure = power_figure(index_of(t_s, 2.0 + t_s), "power.csv", phases)
    for axes in figure.axes:
        assert [span.get_x() for span in axes.patches] == [-1.0, 1.0, 1.1]
    shown = words(figure)
    assert all(text in shown for text in ("idle before, 2.00 s", "load, 0.10 s", "steady, 2.90 s"))
    inside = [text.get_text() for text in figure.axes[0].texts]
    assert inside == ["idle before", "steady"]  # no room for a tenth of a second


def test_phases_that_share_a_colour_share_an_entry_of_the_legend() -> None:
    names = ("idle_before", "import", "load", "check", "warmup", "steady", "runout", "idle_after")
    phases = [PhaseTime(name, float(number), number + 1.0) for number, name in enumerate(names)]
    t_s = np.arange(0.0, 8.5, 0.5)
    (legend,) = power_figure(index_of(t_s, 2.0 + t_s), "power.csv", phases).legends
    assert [re.sub(", 1.00 s", "", text.get_text()).split("\n") for text in legend.get_texts()] == [
        ["idle before", "idle after"],
        ["import", "load", "check"],
        ["warm-up", "run-out"],
        ["steady"],
    ]


def test_the_noise_of_a_steady_load_does_not_fill_the_panel() -> None:
    t_s = np.arange(0.0, 10.0, 0.5)
    for power_w, least in ((2.703 + 2e-5 * np.sin(t_s), 0.135), (1e-5 * np.sin(t_s), 1e-3)):
        low, high = power_figure(index_of(t_s, power_w), "t").axes[0].get_ylim()
        assert high - low == pytest.approx(least, rel=0.01)
        assert low < power_w.min() and power_w.max() < high


def test_a_load_that_changes_fills_the_panel() -> None:
    low, high = power_figure(index_of(*HOLED), "t").axes[0].get_ylim()
    assert 4.1 < high - low < 5.5


@pytest.mark.parametrize("format", PICTURE_FORMATS)
def test_every_format_is_a_file_of_its_kind(format) -> None:
    assert SIGNS[format] in draw_power([drawn(index_of(*HOLED), "trace.csv")], format=format)[:1000]


def test_one_measurement_is_no_picture() -> None:
    with pytest.raises(WindowNotCovered):
        index_of([1.0], [5.0])


@given(st.data())
def test_the_rows_that_are_drawn_show_what_all_would(data) -> None:
    count, columns = data.draw(st.integers(2, 400)), data.draw(st.integers(1, 20))
    random = np.random.default_rng(data.draw(st.integers(0, 2**16)))
    t_s, values = np.cumsum(random.uniform(0.0, 1.0, count)), random.normal(size=count)
    after = data.draw(st.integers(1, count - 1))
    t_s[after:] += 50.0
    rows = rows_to_draw(t_s, values, [(t_s[after - 1], t_s[after])], columns)
    assert {0, count - 1, after - 1, after} <= set(rows.tolist())
    assert np.all(np.diff(rows) > 0)
    borders = np.linspace(t_s[0], t_s[-1], columns + 1)
    for begin, end in zip(borders, [*borders[1:-1], np.inf], strict=False):
        every, drawn = ((times >= begin) & (times < end) for times in (t_s, t_s[rows]))
        if every.any():
            of_all, of_drawn = values[every], values[rows][drawn]
            assert (of_drawn.min(), of_drawn.max()) == (of_all.min(), of_all.max())
            assert (of_drawn[0], of_drawn[-1]) == (of_all[0], of_all[-1])


def test_of_millions_of_rows_few_are_drawn() -> None:
    t_s = np.arange(300_000) / 1000.0
    assert len(rows_to_draw(t_s, np.sin(t_s), [], 100)) <= 4 * 100 + 1


def test_a_picture_of_a_run_says_what_ran_where_and_what_it_took() -> None:
    from groupnl_deploy.report.row import build_row
    from groupnl_deploy.report.run_caption import run_caption, run_title
    from tests.report.test_report import make_run, make_trace

    run, trace = make_run(), make_trace()
    row = build_row(run, trace, "run")
    said = words(power_figure(EnergyIndex(trace), run_title(row), about=run_caption(row))).replace("\n", " ")
    for word in ("net x0.25 groupnl (released)", "onnxruntime on pi", "Raspberry Pi 4 Model B", "4 threads", "60* J"):
        assert word in said
    assert "60* mJ gross, 40* mJ net of idle; error of the edges < 0.001 J" in said
    without = run_caption(build_row(run, None, "run"))
    assert "no joules" in without and "p50/p99 10.00/10.00 ms" in without


EPOCH_S = 1_764_249_127.25


def test_joules_add_up_to_the_whole_and_no_joule_is_added_in_a_hole() -> None:
    whole, holed = index_of([0.0, 0.5, 1.0], [4.0, 4.0, 4.0]), index_of(*HOLED)
    joules = power_figure(whole, "t").axes[1].lines[0].get_ydata()
    assert joules[0] == 0.0 and joules[-1] == pytest.approx(4.0)
    joules = power_figure(holed, "t").axes[1].lines[0].get_ydata()
    (at,) = np.flatnonzero(np.isnan(joules))
    assert joules[at - 1] == joules[at + 1]


def test_marks_are_upright_lines_with_their_labels_in_every_panel() -> None:
    marks = (Mark(0.47, "camera on"), Mark(0.5, "a second label beside it"), Mark(99.0, "behind the end"))
    figure = power_figure(index_of([0.0, 0.5, 1.0], [4.0, 4.0, 4.0]), "t", marks=marks)
    for axes in figure.axes:
        assert [line.get_xdata()[0] for line in axes.lines[1:]] == [0.47, 0.5]
    labels = {text.get_text(): text.get_position() for text in figure.axes[0].texts}
    assert set(labels) == {"camera on", "a second label beside it"}
    assert labels["camera on"][1] != labels["a second label beside it"][1]  # they would cover each other


def test_labels_of_marks_hide_no_curve_and_what_has_no_room_is_counted() -> None:
    marks = [Mark(0.4 + 1e-4 * number, f"mark {number} with a long label") for number in range(9)]
    figure = power_figure(index_of([0.0, 0.5, 1.0], [4.0, 9.0, 9.0]), "t", marks=marks)
    axes = figure.axes[0]
    low, high = axes.get_ylim()
    heights = [text.get_position()[1] for text in axes.texts]
    assert min(heights) - 0.05 > (9.0 - low) / (high - low)
    assert "3 of 9 marks have no room for their labels" in [text.get_text() for text in axes.texts]
    assert len(axes.lines) == 1 + 9


def test_seconds_since_1970_are_called_so_and_counted_from_the_first_row() -> None:
    figure = power_figure(index_of([EPOCH_S, EPOCH_S + 0.5, EPOCH_S + 1.0], [4.0, 4.0, 4.0]), "t")
    assert figure.axes[-1].get_xlabel() == "Seconds since the recording's first row; 0 is 2025-11-27 13:12:07 UTC"
    assert figure.axes[0].lines[0].get_xdata().tolist() == [0.0, 0.5, 1.0]
    unknown = power_figure(index_of([5.0, 5.5, 6.0], [4.0, 4.0, 4.0]), "t")
    assert unknown.axes[-1].get_xlabel() == "Seconds by the recording's own clock"
    assert unknown.axes[0].lines[0].get_xdata()[0] == 5.0
    begun = power_figure(index_of([0.0, 0.5, 1.0], [4.0, 4.0, 4.0]), "t")
    assert begun.axes[-1].get_xlabel() == "Seconds since the recording's first row"


def test_recordings_over_one_another_have_a_colour_each_and_begin_together() -> None:
    ours = drawn(index_of([0.0, 0.5, 1.0], [4.0, 4.0, 4.0], emulated=True), "ours.csv")
    other = drawn(index_of([EPOCH_S, EPOCH_S + 0.5, EPOCH_S + 2.0], [2.0, 2.0, 2.0]), "other.csv")
    figure = figure_of([ours, other])
    for axes in figure.axes:
        assert [line.get_xdata()[0] for line in axes.lines] == [0.0, 0.0]
        assert len({line.get_color() for line in axes.lines}) == 2
    shown = words(figure)
    assert "EMULATED (1 of 2): ours.csv, other.csv" in shown and shown.count("EMULATED (1 of 2)") == 1
    assert "EMULATED ours.csv: 4 J in 1 s" in shown and "other.csv: 0.5 s without" not in shown
    assert figure.axes[-1].get_xlabel() == "Seconds since each recording began"


def test_a_name_is_no_formula_and_no_control_code() -> None:
    figure = power_figure(index_of(*HOLED), "a $x^ ${y} \x1b[31m.csv", marks=[Mark(0.5, "$ 5 _ $^")])
    assert draw_power([drawn(index_of(*HOLED), "$x^$", marks=[Mark(0.5, "$^$")])])[:4] == SIGNS["png"]
    assert "a $x^ ${y} \ufffd[31m.csv" in words(figure)


def test_of_watts_alone_there_is_no_voltage() -> None:
    index = index_of(*HOLED)
    facts = replace(index.trace.facts, watts_alone=True)
    figure = power_figure(EnergyIndex(replace(index.trace, facts=facts)), "t")
    assert [axes.get_ylabel() for axes in figure.axes] == ["Power (W)", "Energy (J)"]
