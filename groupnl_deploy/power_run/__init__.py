"""The joules of any command, here or on a device: `groupnl power run`."""
