"""The rewrite rules of the GroupNL graph compiler, one idea a file. `exporters.optimize` says in which order they run.

A rule is a function of one node: True where it rewrote, False where the node is none of its business, and `Refused`,
with the reason, where the node is what it looks for but must stay.
"""
