"""The options that say of a power recording from elsewhere what the file does not say itself."""

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Annotated

import typer

from groupnl_deploy.cli.options import AllowImplausible
from groupnl_deploy.errors import UsageError, option_name
from groupnl_deploy.words import known_word

if TYPE_CHECKING:
    from power.reading.asked import Asked


@dataclass(frozen=True)
class FileOptions:
    """Of a recording; all of them may be left out where the file is clear."""

    columns: Annotated[
        str | None,
        typer.Option(
            metavar="t=…,v=…,i=…",
            help="Which columns count, by name or by number from 1: times, volts, amperes; or p= watts, e= joules.",
        ),
    ] = None
    units: Annotated[
        str | None, typer.Option(metavar="s,V,A", help="Their units, where the names do not say them: ms,mV,uA.")
    ] = None
    time_format: Annotated[
        str | None,
        typer.Option(
            metavar="FORM", help="How times are written: iso, hms, dmy, mdy, or codes such as “%d.%m.%Y %H:%M”."
        ),
    ] = None
    voltage: Annotated[
        float | None, typer.Option(metavar="VOLTS", help="The supply's, for a file of amperes alone.")
    ] = None
    sign: Annotated[int, typer.Option(help="-1 if the meter was plugged the other way round.")] = 1
    decimal: Annotated[
        str | None, typer.Option(metavar="comma|point", help="What a comma in a number is, where it may be either.")
    ] = None
    every: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="How far apart the rows are, whatever times the file has or lacks."),
    ] = None
    part: Annotated[
        int | None, typer.Option(metavar="N", help="Which of several recordings in one file, counted from 1.")
    ] = None
    allow_implausible: AllowImplausible = False

    def words(self) -> list[str]:
        """The options that were given, as they are typed."""
        given = {one.name: getattr(self, one.name) for one in fields(self) if getattr(self, one.name) != one.default}
        named = {option_name(name): value for name, value in given.items()}
        return [word for name, value in named.items() for word in ([name] if value is True else [name, str(value)])]

    def asked(self) -> "Asked":
        """The same for the reader. Raises `UsageError` and `TraceFormatError` for what cannot be."""
        from power.reading.asked import DECIMALS, Asked, columns_of, time_form_of, units_of

        _require_sense(self)
        decimal = None if self.decimal is None else DECIMALS[known_word("--decimal", self.decimal, DECIMALS)]
        return Asked(
            columns={} if self.columns is None else columns_of(self.columns),
            units={} if self.units is None else units_of(self.units),
            time_form=None if self.time_format is None else time_form_of(self.time_format),
            voltage_v=self.voltage,
            sign=self.sign,
            decimal=decimal,
            part=self.part,
            every_s=self.every,
            allow_implausible=self.allow_implausible,
        )


def _require_sense(given: FileOptions) -> None:
    if given.sign not in (1, -1):
        raise UsageError(f"--sign is {given.sign}.", "Give 1, or -1 where the meter was plugged the other way round.")
    if given.voltage is not None and not 0.0 < given.voltage < float("inf"):
        raise UsageError(f"--voltage is {given.voltage}.", "Give the supply's volts, above zero: --voltage 5.")
    if given.every is not None and not 0.0 < given.every < float("inf"):
        raise UsageError(f"--every is {given.every}.", "Give the seconds between two rows, above zero: --every 0.01.")
    if given.part is not None and given.part < 1:
        raise UsageError(f"--part is {given.part}.", "Recordings are counted from 1: --part 1.")
