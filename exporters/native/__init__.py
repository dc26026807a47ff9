"""Operators of our own, computed by a library of ours: their set, and the passes that put them into a graph."""
