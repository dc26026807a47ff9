"""How long to wait, as people write it."""

import pytest
import typer

from groupnl_deploy.cli.options import seconds_of


@pytest.mark.parametrize(
    ("given", "seconds"),
    [("30", 30), ("30s", 30), ("5m", 300), ("1.5 m", 90), ("24h", 86_400), ("0", 0), ("0.25s", 0.25), (600.0, 600)],
)
def test_a_time_is_a_number_of_seconds_minutes_or_hours(given: str | float, seconds: float) -> None:
    assert seconds_of(given) == seconds


@pytest.mark.parametrize("given", ["", "s", "-1", "5 minutes", "1d", "25h", "1e3", "nan", "٣"])
def test_anything_else_is_refused_with_an_example(given: str) -> None:
    with pytest.raises(typer.BadParameter, match="30s or 5m"):
        seconds_of(given)
