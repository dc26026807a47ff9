"""What the program is called where it is installed, and its version, for whatever it writes."""

DISTRIBUTION = "groupnl-deploy"
__version__ = "0.1.0"
