"""What the E2GC paper claims of energy, held against its own printed tables (docs/e2gc.md).

    python benchmarks/e2gc_claims.py [--json]

The tables are those of the page, in Markdown. Nothing is measured here: the paper's energies are read from
`e2gc_tables.toml`, and everything else follows from them. A minute of nothing but reading and least squares.
"""

import argparse
import itertools
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(1, str(Path(__file__).resolve().parents[1]))  # behind this folder, whose files are read beside it

import e2gc_laws as laws
from e2gc_printed import Case, PrintedNetwork, Variant, printed

from groupnl_deploy.energy_model.layer import LayerShape

CASES, (MOBILENET, RESNEXT) = printed()


@dataclass(frozen=True)
class Claim:
    """One sentence of the paper: what it prints, what its tables give, and whether that is the same."""

    claim: str
    found: str
    verdict: str


@dataclass(frozen=True)
class Saving:
    """A pair of variants that the paper compares: how much less energy `new` takes, in per cent, case by case."""

    network: PrintedNetwork
    new: Variant
    old: Variant

    def percent(self, case: Case) -> float:
        """Of the old one's energy; negative where it takes more."""
        return 100 * (1 - self.new.energies_mj[case] / self.old.energies_mj[case])

    def holds_in(self) -> int:
        """In how many of the six cases it takes less."""
        return sum(self.percent(case) > 0 for case in CASES)

    def __str__(self) -> str:
        return f"{self.network.name}, {self.new} against {self.old}"


def saving(network: PrintedNetwork, new: str, old: str) -> Saving:
    """Of two variants by their names."""
    return Saving(network, network.variant(new), network.variant(old))


# Every pair for which the text gives a number, or says which of the two is better.
PAIRS = (
    saving(MOBILENET, "G=8", "g=32"),
    saving(RESNEXT, "G=32", "g=8"),
    saving(MOBILENET, "G=32", "G=1"),
    saving(RESNEXT, "G=32", "g=32"),
    saving(MOBILENET, "G=32", "g=8"),
    saving(MOBILENET, "G=32", "g=16"),
    saving(RESNEXT, "G=8", "g=32"),
    saving(RESNEXT, "G=16", "g=32"),
    saving(RESNEXT, "G=16", "g=16"),
    saving(MOBILENET, "g=2", "G=1"),
)


def claims() -> Iterator[Claim]:
    """In the order of the paper."""
    yield from _headlines()
    yield _ties()
    yield from _ranges()
    yield from _complexity()
    yield from _accuracies()


def _headlines() -> Iterator[Claim]:
    mobile, resnext, baseline, other = PAIRS[:4]
    p4000 = resnext.percent(Case("P4000", 1))
    found = _where(mobile, 10.8), _where(resnext, 4.73, 2)
    yield Claim(
        "Abstract: on P100, E2GC saves 10.8 % of MobileNet-V1's energy and 4.73 % of ResNeXt-50's",
        f"G=8 for g=32 at {_listed(found[0])}, and G=32 for g=8 at {_listed(found[1])}; "
        f"the latter at P4000 B=1: {p4000:.1f} %",
        _on_boards(found, ("P100", "P100"), " for these pairs"),
    )
    found = _where(baseline, 55.4), _where(baseline, 65.4)
    yield Claim(
        "IV: G=32 saves 55.4 % (P100) and 65.4 % (P4000) of MobileNet-V1's baseline",
        f"at {_listed(found[0])} and {_listed(found[1])}",
        _on_boards(found, ("P100", "P4000")),
    )
    found = _where(other, 9.4), _where(other, 13.1)
    there = ", ".join(f"{other.percent(case):.1f}" for case in CASES if case.board == "P4000")
    yield Claim(
        "IV: G=32 saves 9.4 % (P100) and 13.1 % (P4000) of ResNeXt-50's baseline",
        f"at {_listed(found[0])} and {_listed(found[1])}; P4000 has {there} %",
        _on_boards(found, ("P100", "P4000")),
    )


def _where(pair: Saving, percent: float, digits: int = 1) -> list[Case]:
    """The cases in which the saving is what is printed."""
    return [case for case in CASES if round(pair.percent(case), digits) == percent]


def _listed(cases: Sequence[Case]) -> str:
    return " and ".join(map(str, cases))


def _on_boards(found: tuple[list[Case], list[Case]], said: tuple[str, str], what: str = "") -> str:
    """Whether two savings are found on the boards that are printed beside them."""
    boards = [{case.board for case in cases} for cases in found]
    if all(board in there for board, there in zip(said, boards, strict=True)):
        return f"holds{what}, at {_batches(case for cases in found for case in cases)}"
    both = set.intersection(*boards)
    return f"misprint: both are {both.pop()}'s" if both else "fails"


def _batches(cases: Iterable[Case]) -> str:
    return " and ".join(f"B={batch}" for batch in sorted({case.batch for case in cases}))


def _ties() -> Claim:
    pair = saving(RESNEXT, "G=16", "g=16")
    found = ", ".join(f"{case} {pair.percent(case):+.1f} %" for case in CASES)
    largest = max(case.batch for case in CASES)
    wrong = [case for case in CASES if (pair.percent(case) > 0) != (case.batch == largest)]
    return Claim(
        "Observation 3: ResNeXt-50 with G=16 takes more than with g=16 at small B, and less at B=16",
        found,
        f"fails at {_batches(wrong)}" if wrong else "holds",
    )


def _ranges() -> Iterator[Claim]:
    for pair in PAIRS[4:8]:
        yield Claim(
            f"Observation 1: {pair.network.name} takes less with {pair.new} than with {pair.old}"
            + (" (printed G=6)" if pair is PAIRS[6] else ""),
            f"less in {pair.holds_in()} of {len(CASES)} cases",
            _word(pair.holds_in() == len(CASES)),
        )
    for network in (MOBILENET, RESNEXT):
        best = {case: min(network.variants, key=lambda one, at=case: one.energies_mj[at]) for case in CASES}
        others = [f"{case}: {one}" for case, one in best.items() if str(one) != "G=32"]
        yield Claim(
            f"IV: {network.name} takes least with G=32",
            "; ".join(others) or f"in all {len(CASES)} cases",
            _word(not others, "holds", f"fails in {len(others)} of {len(CASES)}"),
        )
        fixed = {case: min(network.of("g"), key=lambda one, at=case: one.energies_mj[at]) for case in CASES}
        yield Claim(
            f"IV: {network.name} of the FgGC variants takes least with g=8 or g=16",
            ", ".join(f"{case}: {one}" for case, one in fixed.items()),
            _word({str(one) for one in fixed.values()} <= {"g=8", "g=16"}),
        )


def _complexity() -> Iterator[Claim]:
    for network, new, old in ((MOBILENET, "G=8", "g=32"), (RESNEXT, "G=8", "g=8")):
        one, other = network.variant(new), network.variant(old)
        more = 100 * (other.macs / one.macs - 1)
        yield Claim(
            f"Observation 2: {network.name} with {new} and {old} has comparable MACs, and fewer weights with {new}",
            f"{old} has {more:+.1f} % MACs and {100 * (other.params / one.params - 1):+.0f} % weights",
            _word(abs(more) < 5, "holds", "the MACs are not comparable"),
        )
    wide, narrow = MOBILENET.variant("g=2"), MOBILENET.variant("G=1")
    yield Claim(
        "Observation 4: MobileNet-V1 with g=2 has about 5 times the MACs and 4 times the weights of G=1, and takes "
        "less energy",
        f"{wide.macs / narrow.macs:.2f} and {wide.params / narrow.params:.2f} times, "
        f"less in {PAIRS[9].holds_in()} of {len(CASES)} cases",
        _word(PAIRS[9].holds_in() == len(CASES)),
    )


def _accuracies() -> Iterator[Claim]:
    gains = [
        (network.variant("G=2").imagenet, network.variant("G=1").imagenet, network.name)
        for network in (RESNEXT, MOBILENET)
    ]
    yield Claim(
        "V: from G=1 to G=2 ImageNet's top-1 gains 3.5 % in ResNeXt-50 and 3 % in MobileNet-V1",
        "; ".join(
            f"{name}: {new - old:.2f} points, {100 * (new / old - 1):.1f} % of what it was" for new, old, name in gains
        ),
        "holds as a share, not in points",
    )
    for network in (MOBILENET, RESNEXT):
        tops = [one.food for one in network.of("G")]
        yield Claim(
            f"V: on Food-101 {network.name} loses accuracy with every larger G",
            f"{tops[0]:.2f} at G=1, {tops[1]:.2f} at G=2, then down to {tops[-1]:.2f}",
            _word(_falls(tops), "holds", "fails from G=1 to G=2" if _falls(tops[1:]) else "fails"),
        )


def _falls(values: Sequence[float]) -> bool:
    return all(later < earlier for earlier, later in itertools.pairwise(values))


def _word(right: bool, yes: str = "holds", no: str = "fails") -> str:
    return yes if right else no


def claims_table() -> list[list[str]]:
    """Every claim."""
    return [
        ["the paper says", "its tables give", "verdict"],
        *([one.claim, one.found, one.verdict] for one in claims()),
    ]


def savings_table() -> list[list[str]]:
    """Every pair in every case, in per cent."""
    heading = ["energy saved, %", *map(str, CASES)]
    return [heading, *([str(pair), *(f"{pair.percent(case):.1f}" for case in CASES)] for pair in PAIRS)]


def laws_table() -> list[list[str]]:
    """What explains the energies of eleven variants: R² of four laws, and what the last of them says."""
    rows = [["R² of", "MACs", "MACs, groups", "MACs, A/G", "Eq. 1", "rank", "G*"]]
    for network, case in _columns():
        found = laws.regress(network, case, laws.macs_and_traffic)
        plain = (laws.regress(network, case, features).r2 for features in (laws.macs, laws.macs_and_groups))
        equation = laws.best_equation_1(network, case)
        mark = " (−)" if equation.coefficients[0] < 0 else ""
        figures = [*(f"{r2:.2f}" for r2 in plain), f"{found.r2:.2f}", f"{equation.r2:.2f}{mark}", f"{found.rank:.2f}"]
        rows.append([f"{network.name}, {case}", *figures, f"{laws.best_size(found):.0f}"])
    return rows


def transfer_table() -> list[list[str]]:
    """The law fitted on MobileNet-V1 alone and asked about ResNeXt-50; and what G=16 costs beside G=32, measured."""
    rows = [["case", "rank of ResNeXt-50's", "its choice costs, %", "G=16, MobileNet-V1, %", "G=16, ResNeXt-50, %"]]
    for case in CASES:
        found = laws.transfer(MOBILENET, RESNEXT, case)
        near = [-saving(network, "G=16", "G=32").percent(case) for network in (MOBILENET, RESNEXT)]
        rows.append([str(case), f"{found.rank:.2f}", f"{100 * found.excess:.1f}", *(f"{more:.1f}" for more in near)])
    return rows


def intensity_table() -> list[list[str]]:
    """The case of Fig. 3: 512 channels, 3x3, maps of 14x14, beside depthwise."""
    layer = LayerShape(512, 512, 3, 14, 14)
    sizes = (1, 2, 4, 8, 16, 32, 64, 512)
    rows = [["G", *map(str, sizes)]]
    groups = [layer.in_channels // size for size in sizes]
    rows.append(["MACs, times", *(f"{layer.macs(g) / layer.macs(512):.0f}" for g in groups)])
    return [*rows, ["AI, times", *(f"{layer.intensity(g) / layer.intensity(512):.2f}" for g in groups)]]


def widths_table() -> list[list[str]]:
    """n · d_f of every kind of group convolution: Eq. 3 asks for a constant G where it is constant."""
    rows = [["network", "n · d_f of its group convolutions"]]
    for network in (MOBILENET, RESNEXT):
        products = dict.fromkeys(one.out_channels * one.height for one in network.layers)
        rows.append([network.name, ", ".join(map(str, products))])
    return rows


def _columns() -> Iterator[tuple[PrintedNetwork, Case]]:
    return ((network, case) for network in (MOBILENET, RESNEXT) for case in CASES)


TABLES: dict[str, Callable[[], list[list[str]]]] = {
    "claims": claims_table,
    "savings": savings_table,
    "laws": laws_table,
    "transfer": transfer_table,
    "intensity": intensity_table,
    "widths": widths_table,
}


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """A table, its first row the heading; all columns but the first to the right where they are numbers."""
    numeric = all(len(cell) < 16 for row in rows[1:] for cell in row[1:])
    marks = ["---", *(["---:" if numeric else "---"] * (len(rows[0]) - 1))]
    return "".join(f"| {' | '.join(row)} |\n" for row in (rows[0], marks, *rows[1:]))


def main() -> None:
    """Print them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="One document in place of tables.")
    if parser.parse_args().json:
        print(
            json.dumps(
                {
                    name: [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]
                    for name, rows in ((name, table()) for name, table in TABLES.items())
                },
                indent=2,
                ensure_ascii=False,
            )
        )
        return
    for name, table in TABLES.items():
        print(f"{name}\n\n{markdown(table())}")


if __name__ == "__main__":
    main()
