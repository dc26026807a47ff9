"""`groupnl power`, as it is typed."""

import json
from typing import Any

from typer.testing import CliRunner, Result

from groupnl_deploy.cli.main import app


def power(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["power", *map(str, arguments)], env={"NO_COLOR": "1"})


def integrated(*arguments: object) -> dict[str, Any]:
    """The document of `power integrate --json`, which must succeed."""
    done = power("integrate", *arguments, "--json")
    assert done.exit_code == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found
