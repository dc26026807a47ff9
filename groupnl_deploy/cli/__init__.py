"""The command line: Typer over the library. The only package that prints; nothing imports it."""
