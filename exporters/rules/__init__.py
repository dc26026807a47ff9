"""The rewrite rules of the GroupNL graph compiler, one idea a file. `exporters.optimize` says in which order they run.

A rule is a function of one node. It answers `Fired` where it rewrote, `NOT_MINE` where the node is not what it looks
for, and `Refused`, with the reason, where the node is what it looks for but must stay (see `answers.py`).
"""
