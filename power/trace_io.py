"""Recordings as CSV: facts in `#` lines, units in the column names, one row per measurement.

::

    # schema_version: 3
    # meter: km003c
    # …
    # emulated: true
    t_s,voltage_v,current_a,power_w
    0.0213,5.1,0.25,1.275

Times, volts and amperes are written so that reading gives back the same floats; watts are there for people and as a
check of the other two. Any CSV with the first three columns can be read, in any order and among others, with or
without the `#` lines; `power.trace_facts` says what is then unknown.
"""

from power.trace_reader import read_csv
from power.trace_writer import TraceWriter, write_csv

__all__ = ["TraceWriter", "read_csv", "write_csv"]
