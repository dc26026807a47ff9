"""Options that several commands share, spelled once."""

from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout, and nothing else there.")]
OutFolder = Annotated[Path, typer.Option("--out", help="The folder to write; it must not exist yet.")]
DeviceName = Annotated[str, typer.Option("--device", help="A name from `groupnl device list`.")]
