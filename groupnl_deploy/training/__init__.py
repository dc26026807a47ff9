"""Data sets, the training loop, evaluation and checkpoint folders."""
