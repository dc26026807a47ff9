"""Somebody's own ONNX file → a graph that the passes take, what to ask it, and the right answers to that."""
