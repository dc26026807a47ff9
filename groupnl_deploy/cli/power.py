"""`groupnl power`: the meter alone, without a network or a board. One file a command."""

import typer

from groupnl_deploy.cli import (
    power_emulate,
    power_formats,
    power_import,
    power_integrate,
    power_list,
    power_mark,
    power_plot,
    power_record,
    power_run,
    power_watch,
)

app = typer.Typer(no_args_is_help=True, help="Read a power meter, record it, and integrate what it recorded.")
app.command("list")(power_list.list_meters)
app.command("record")(power_record.record)
app.command("watch")(power_watch.watch)
app.command("run", context_settings={"allow_interspersed_args": False})(power_run.run)
app.command("mark")(power_mark.mark)
app.command("import")(power_import.import_file)
app.command("formats")(power_formats.formats)
app.command("integrate")(power_integrate.integrate)
app.command("plot")(power_plot.plot)
app.command("emulate")(power_emulate.emulate)
