"""`groupnl power formats`: which files can be read."""

from groupnl_deploy.cli import console
from groupnl_deploy.cli.exits import guarded
from groupnl_deploy.cli.options import Json


@guarded
def formats(json: Json = False) -> None:
    """List the formats of recordings that `import`, `integrate` and `plot` read.

    Example: groupnl power formats
    """
    from power.formats import FORMATS

    if json:
        listed = [{"word": one.word, "title": one.title, "source": one.source} for one in FORMATS]
        console.show_json({"schema_version": 1, "formats": listed})
        return
    console.show_table(
        (("Format", False), ("What it is", False), ("Where that is said", False)),
        [[one.word, one.title, one.source] for one in FORMATS],
    )
