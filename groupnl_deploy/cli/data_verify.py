"""`groupnl data verify`: whether files are the published ones to the byte."""

from pathlib import Path
from typing import Annotated

import typer

from groupnl_deploy.cli import console
from groupnl_deploy.cli.exits import guarded
from groupnl_deploy.cli.options import Json
from groupnl_deploy.errors import VerificationFailed
from groupnl_deploy.words import counted, known_word


@guarded
def verify(
    data: Annotated[str, typer.Argument(metavar="DIR|TAR", help="Its folder, or its archive.")],
    dataset: Annotated[str, typer.Option(help="cifar10c or cifar100c; the others are checked whenever they are read.")],
    json: Json = False,
) -> None:
    """Compare the MD5 of each file of a CIFAR-10-C with the published one. Exit code 4 where one is another.

    Example: groupnl data verify CIFAR-10-C.tar --dataset cifar10c
    """
    from groupnl_deploy.images.published.cifar_c_tables import CIFAR_C

    known_word("dataset", dataset, CIFAR_C)
    from groupnl_deploy.images.published.verify import verify_files

    found = verify_files(dataset, Path(data).expanduser(), console.TerminalReporter())
    others = [file for file in found if not file.is_published]
    if json:
        console.show_json({"schema_version": 1, "is_published": not others, "files": found})
    else:
        rows = [(file.name, file.md5, "as published" if file.is_published else "ANOTHER FILE") for file in found]
        console.show_table([("File", False), ("MD5", False), ("", False)], rows)
    if others:
        first = others[0]
        raise VerificationFailed(
            f"{counted(len(others), 'file')} of {len(found)} are not the published ones: {first.name} has the MD5 "
            f"{first.md5}, and not {first.published}.",
            f"Generated ones never are. {CIFAR_C[dataset].remedy}",
        )
    console.say(f"All {len(found)} files are as they were published.")
