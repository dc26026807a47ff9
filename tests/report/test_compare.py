"""Rows of two things → the whole answer: what differs is named, the verdict is of one metric, all others are honest."""

import dataclasses

import pytest

from device_agent.manifest import PICKED
from groupnl_deploy.analysis.rule import parse_rule
from groupnl_deploy.bench.check import Check
from groupnl_deploy.errors import UsageError
from groupnl_deploy.report.compare import compare
from groupnl_deploy.report.comparison_text import answer, notes, preface, table
from groupnl_deploy.report.robustness import points_per_j
from groupnl_deploy.report.tables import picked_notes
from tests.report.compared_runs import P50_MS, rows_of

NAMES = ("net-a", "net-b")


def slower(ratio: float) -> list[float]:
    return [ratio * p50_ms * (1 + 0.001 * number) for number, p50_ms in enumerate(P50_MS)]


def changed(rows, **changes):
    return [dataclasses.replace(row, **changes) for row in rows]


A, B = rows_of(P50_MS), rows_of(slower(1.05), "b", late=1)
METERED = (rows_of(P50_MS, metered=True), rows_of(slower(1.05), "b", late=1, metered=True))


def test_every_number_of_a_line():
    line = compare(A, B, NAMES).line("p50_ms")
    assert line.a == pytest.approx(10.0) and line.b == pytest.approx(10.55775)
    assert line.found.ratio == pytest.approx(1.05 * 1.0035, rel=1e-4)
    assert line.found.p == line.p_adjusted == 2 / 256
    assert (line.better_in, line.standing, line.doubtful, line.emulated) == (0, "worse", False, False)
    fps = compare(A, B, NAMES).line("fps")
    assert fps.found.ratio == pytest.approx(1 / line.found.ratio, rel=1e-6) and fps.standing == "worse"


def test_the_verdict_is_of_p50_alone_and_the_others_are_adjusted_for_their_number():
    found = compare(A, B, NAMES)
    assert found.metric == "p50_ms" and found.verdict[0].startswith("B takes 1.054 times as long as A")
    # mean, p99, FPS and memory are four questions beside it.
    assert found.line("mean_ms").p_adjusted == pytest.approx(4 * 2 / 256)
    assert found.line("memory_mb").standing == "no difference shown"


def test_where_a_meter_measured_the_verdict_is_of_energy_and_the_time_is_told_too():
    found = compare(*METERED, NAMES)
    assert found.metric == "energy_j" and len(found.verdict) == 2
    assert found.verdict[0].startswith("B's gross energy is 1.0") and "as long as A" in found.verdict[1]
    assert found.line("energy_j").p_adjusted == found.line("energy_j").found.p
    line, shown = found.line("energy_j"), table(found)[1][0]
    assert (shown[0], line.unit) == ("gross energy (mJ)", "J") and float(shown[1]) == pytest.approx(1e3 * line.a, 1e-3)
    assert compare(*METERED, NAMES, by="p50_ms").metric == "p50_ms"


def test_emulated_joules_are_no_verdict_and_are_marked():
    a, b = rows_of(P50_MS, metered=False), rows_of(slower(1.05), "b", late=1, metered=False)
    found = compare(a, b, NAMES)
    assert found.metric == "p50_ms" and found.line("energy_j").emulated
    _, rows = table(found)
    energy = next(row for row in rows if row[0].startswith("gross energy"))
    assert energy[1].endswith("*") and energy[3].endswith("*")
    assert any("EMULATED" in note and "no measurement of any device" in note for note in notes(found))
    asked = compare(a, b, NAMES, by="energy_j", rules=[parse_rule("energy_j>+3%")])
    assert asked.verdict[0].startswith("EMULATED meter: no measurement of any device. B's gross energy is")
    assert asked.judgements[0].says.startswith("EMULATED meter: no measurement of any device. The rule")


def test_under_six_pairs_there_is_a_range_and_no_p_value():
    found = compare(A[:5], B[:5], NAMES)
    line = found.line("p50_ms")
    assert line.found.kind == "range" and line.p_adjusted is None and line.standing == "range only"
    assert "This is the range and no interval" in found.verdict[0]
    headings, _ = table(found)
    assert ("Range", True) in headings and ("95 % interval", True) not in headings


def test_what_is_compared_and_what_differs_beside_it_are_two_things():
    b = changed(B, governor="powersave", threads=2, level="none", versions="numpy 2.4.6, onnxruntime 1.32.0")
    found = compare(changed(A, level="full"), b, NAMES)
    assert [one.trait for one in found.compared] == ["network", "level"]
    assert [one.trait for one in found.beside] == ["threads", "governor", "versions"]
    said = preface(found)
    assert said[0].startswith("A is net-a, B is net-b. Compared: Model: A net-a, B net-b; Level: A full, B none.")
    assert "ALSO DIFFERENT, beside what is compared: Threads: A 4, B 2." in said
    assert "ALSO DIFFERENT, beside what is compared: Versions of onnxruntime: A 1.31.1, B 1.32.0." in said


def test_the_clock_and_the_temperature_are_conditions_too():
    slow = changed(B, clock_hz=1.2e9, start_c=60.0)
    found = compare(changed(A, clock_hz=1.5e9, start_c=40.0), slow, NAMES)
    assert [str(one) for one in found.beside] == [
        "Clock in the steady window: A 1.5 GHz, B 1.2 GHz",
        "Temperature at the start: A 40 °C, B 60 °C",
    ]
    meant = frozenset({"clock_hz"})
    assert [one.trait for one in compare(changed(A, clock_hz=1.5e9), slow, NAMES, meant=meant).beside] == []
    near = [*changed(A[:4], clock_hz=1.5e9), *changed(A[4:], clock_hz=1.1e9)]  # the runs of both sides overlap
    assert not compare(near, changed(B, clock_hz=1.2e9), NAMES).beside


def test_a_meter_that_is_emulated_on_one_side_alone_is_named():
    a, b = rows_of(P50_MS, metered=True), rows_of(P50_MS, "b", late=1, metered=False)
    found = compare(a, b, NAMES)
    assert "Meter: A measured, B EMULATED" in [str(one) for one in found.beside] and found.metric == "p50_ms"


def test_what_is_meant_to_differ_is_compared():
    found = compare(A, changed(B, threads=2), NAMES, meant=frozenset({"threads"}))
    assert [one.trait for one in found.compared] == ["network", "threads"] and not found.beside


def test_of_one_artifact_the_settings_are_compared_and_nothing_else():
    b = changed(rows_of(slower(1.05), late=1), threads=1, governor="powersave")
    b = [dataclasses.replace(row, run=f"{row.run}-threads1") for row in b]
    found = compare(A, b, NAMES)
    assert [one.trait for one in found.compared] == ["threads"]
    assert [one.trait for one in found.beside] == ["governor"]


def test_what_changes_among_the_runs_of_one_side_is_named_too():
    b = [*changed(B[:4], governor="powersave"), *changed(B[4:], governor="performance")]
    (one,) = compare(changed(A, governor="powersave"), b, NAMES).beside
    assert (one.a, one.b) == ("powersave", "performance or powersave")


def test_another_network_has_other_versions_of_nothing():
    """A library that only one backend has is no difference of its own."""
    found = compare(A, changed(B, backend="pytorch", versions="numpy 2.4.6, torch 2.9.1"), NAMES)
    assert [one.trait for one in found.compared] == ["network", "backend"] and not found.beside


def test_invalid_runs_are_named_before_any_number_and_marked():
    found = compare(A, [*B[:-1], dataclasses.replace(B[-1], valid=False, problems=("it was throttled",))], NAMES)
    assert "net-b-run8 is INVALID: it was throttled." in preface(found)
    assert any(note.startswith("! INVALID") for note in notes(found))


def test_many_invalid_runs_are_counted_by_the_rules_they_break():
    tail = Check("latency tail", "time", "invalid", 20.0, 10.0, "it has a tail", "Rest")
    b = changed(B, valid=False, problems=("it has a tail",), checks=(tail,))
    found = compare(A, b, NAMES)
    (said,) = [text for text in preface(found) if "INVALID" in text]
    assert said.startswith("INVALID are 0 runs of A and 8 of B, of 8 each. Broken rules: latency tail (8 runs).")
    assert "The first is net-b-run1: it has a tail." in said
    assert found.verdict[0].startswith("INVALID runs: no verdict. B takes")
    assert found.line("p50_ms").doubtful and not found.line("memory_mb").doubtful


def test_invalid_runs_decide_no_rule_and_their_numbers_are_marked():
    tail = Check("latency tail", "time", "invalid", 20.0, 10.0, "it has a tail", "Rest")
    b = changed(B, valid=False, problems=("it has a tail",), checks=(tail,))
    found = compare(A, b, NAMES, rules=[parse_rule("p50_ms>+3%"), parse_rule("memory_mb>+3%")])
    assert [judged.outcome for judged in found.judgements] == ["not decided"] * 2
    assert found.judgements[0].says == "The rule “p50_ms>+3%” is not decided: the runs are invalid."
    row = table(found)[1][0]
    assert [cell.endswith("!") for cell in row] == [False, True, True, True, True, False, False, False, True]
    few = compare(A[:4], b[:4], NAMES)
    assert few.verdict[0].startswith("INVALID runs: no verdict. In 4 pairs B's p50 latency was ")


def test_an_effect_is_shown_from_six_pairs_on_and_not_beyond_ten():
    effects = [table(compare(A[:n], B[:n], NAMES))[1][0][6] for n in (2, 5, 6)]
    assert effects == ["–", "–", "> +10"] and compare(A[:2], B[:2], NAMES).line("p50_ms").found.effect > 10


def test_repeats_that_disagree_are_named_and_marked():
    found = compare(rows_of((10.0,) * 7 + (13.0,)), B, NAMES)
    (said,) = [text for text in preface(found) if "INVALID" in text]
    assert said.startswith("INVALID: the repeats disagree: p50 is 10 ms in one and 13 ms in another of the 8 runs")
    assert found.line("p50_ms").doubtful and found.verdict[0].startswith("INVALID runs: no verdict. ")


def test_with_seven_pairs_the_other_numbers_are_unsure():
    found = compare(A[:7], B[:7], NAMES)
    assert found.line("p50_ms").standing == "worse" and found.line("mean_ms").standing == "unsure"
    assert any(note.startswith("Unsure: asked alone") for note in notes(found))


def test_untrained_networks_are_called_so():
    assert preface(compare(A, changed(B, trained=False), NAMES))[0].startswith("A is net-a, B is net-b [untrained].")


def test_an_accuracy_on_images_that_picked_the_epoch_says_so():
    best = changed(B, accuracy=0.9, picked=True)
    assert f"Of B {PICKED}." in notes(compare(changed(A, accuracy=0.8), best, NAMES))
    assert not any(PICKED in note for note in notes(compare(changed(A, accuracy=0.8), changed(B, accuracy=0.9), NAMES)))
    assert picked_notes(best)[0].endswith(f" more: {PICKED}.") and not picked_notes(A)


def test_runs_that_are_no_interleaved_pairs_say_so():
    assert compare(A, B, NAMES).interleaved
    found = compare(A, changed(B, created_at="2026-11-28T10:00:00+00:00"), NAMES)
    assert not found.interleaved and found.verdict[0].startswith("NOT INTERLEAVED. B takes")
    assert any(
        "NOT INTERLEAVED: A's runs were made from 2026-11-21T10:00:00+00:00 to 2026-11-21T10:14:00+00:00, "
        "B's 2026-11-28T10:00:00+00:00." in text
        for text in preface(found)
    )


def test_an_emulated_board_has_no_verdict():
    nothing = {"latency": None, "fps": None, "memory_mb": None, "emulated_board": True}
    found = compare(changed(A, **nothing), changed(B, **nothing), NAMES)
    assert found.metric is None and found.verdict[0].startswith("No verdict")
    assert table(found)[1] == [] and any("EMULATED BOARD" in note for note in notes(found))
    with pytest.raises(UsageError, match="cannot decide “p50_ms>\\+3%”: of p50_ms, an emulated board has none"):
        compare(changed(A, **nothing), B, NAMES, rules=[parse_rule("p50_ms>+3%")])


def test_net_energy_that_is_not_above_zero_is_not_compared():
    a, b = METERED
    found = compare(a, [dataclasses.replace(b[0], net_energy_j=-0.001), *b[1:]], NAMES)
    assert found.line("net_energy_j").why == "it is zero or less in net-b-run1"


def test_a_meter_that_recorded_one_side_alone_is_told():
    found = compare(METERED[0], B, NAMES)
    assert found.metric == "p50_ms" and found.line("energy_j").why == "no meter recorded net-b-run1"


def test_robustness_per_joule_is_compared_where_a_meter_recorded_and_the_images_were_the_same():
    def evaluated(rows, accuracy, images="digits"):
        return [
            dataclasses.replace(
                row,
                evaluated="checkpoint",
                evaluated_images=images,
                corrupted_accuracy=accuracy,
                corrupted_points_per_j=points_per_j(accuracy, row.energy_j),
            )
            for row in rows
        ]

    a, b = METERED
    found = compare(evaluated(a, 0.5), evaluated(b, 0.6), NAMES)
    line = found.line("corrupted_points_per_j")
    assert line.found.ratio == pytest.approx(1.2 / found.line("energy_j").found.ratio) and line.better_in == found.pairs
    assert any(row[0] == "robustness per joule (points/J)" for row in table(found)[1])
    for first, second, why in (
        (evaluated(a, 0.5), evaluated(b, 0.6, "other"), "the networks were asked different corrupted images"),
        (evaluated(a, 0.5), b, "no evaluation under corruptions is kept of net-b-run1"),
        (a, b, "no evaluation under corruptions is kept"),
        (evaluated(A, 0.5), evaluated(B, 0.6), "no meter recorded"),
    ):
        assert compare(first, second, NAMES).line("corrupted_points_per_j").why == why


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (A, B[:7], "A has 8 whole runs and B 7"),
        ([], [], "A has 0 whole runs"),
        (A, [*B[:7], changed(B[7:], artifact_sha256="c" * 64)[0]], "The runs of B are not all of one artifact"),
        (A, A, "is on both sides"),
    ],
)
def test_what_is_no_two_sides_is_refused(a, b, message):
    with pytest.raises(UsageError, match=message):
        compare(a, b, NAMES)


def test_a_metric_that_the_runs_do_not_have_is_refused():
    with pytest.raises(UsageError, match="cannot be compared by energy_j: no meter recorded"):
        compare(A, B, NAMES, by="energy_j")
    with pytest.raises(UsageError, match="no column to compare “p50”"):
        compare(A, B, NAMES, by="p50")


def test_rules_are_judged_by_the_interval():
    found = compare(A, B, NAMES, rules=[parse_rule("p50_ms>+3%"), parse_rule("fps<-10%")])
    assert [judged.outcome for judged in found.judgements] == ["broken", "kept"]
    assert answer(found) == (*found.verdict, *(judged.says for judged in found.judgements))
    with pytest.raises(UsageError, match="5 pairs cannot decide"):
        compare(A[:5], B[:5], NAMES, rules=[parse_rule("p50_ms>+3%")])
