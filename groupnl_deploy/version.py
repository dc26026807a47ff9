"""The version of the program, for whatever it writes."""

__version__ = "0.1.0"
