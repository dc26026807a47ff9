"""Single convolutions measured on a board: the sweep that an energy model is fitted to (docs/e2gc.md)."""
