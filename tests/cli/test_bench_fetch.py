"""`groupnl bench --fetch` where there is nothing to fetch; tests/bench/test_reconnect.py has results."""

import json

import pytest
from typer.testing import CliRunner, Result

from groupnl_deploy.cli.main import app


def fetch(*options: str) -> Result:
    return CliRunner().invoke(app, ["bench", "--device", "local", "--fetch", *options])


def test_nothing_to_fetch_is_no_error() -> None:
    done = fetch()
    assert done.exit_code == 0 and done.stdout == "" and "No benchmark waits on local" in done.stderr
    assert json.loads(fetch("--json").stdout)["rows"] == []


def test_an_unknown_id_is_refused_with_those_that_are_there() -> None:
    done = fetch("0123")
    assert done.exit_code == 2 and "no benchmark “0123” on local" in done.stderr and "None waits there" in done.stderr


@pytest.mark.parametrize(
    "option",
    [
        ("--meter", "km003c"),
        ("--backend", "null"),
        ("--data", "photos"),
        ("--repeats", "2"),
        ("--quick",),
        ("--warmup", "1"),
    ],
)
def test_what_says_how_to_benchmark_is_refused(option: tuple[str, ...]) -> None:
    done = fetch(*option)
    assert done.exit_code == 2 and f"{option[0]} says how to benchmark" in " ".join(done.stderr.split())
