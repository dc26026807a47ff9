"""Meters and joules: read a power meter, keep every measurement, integrate a window honestly.

Stands alone: it imports none of the project's other packages.
"""

__dist__ = "groupnl-deploy"
