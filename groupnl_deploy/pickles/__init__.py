"""Pickles of other programs, read as data: a machine that builds plain values and records, and runs nothing."""
