"""A meter that people look at while it measures: on the terminal, and as a page of this machine's own."""
