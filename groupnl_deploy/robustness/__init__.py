"""The nineteen common corruptions of test images (arXiv 1903.12261), made from their published definitions."""
