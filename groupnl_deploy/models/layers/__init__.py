"""Convolution families, one a file; `build` chooses among them."""
