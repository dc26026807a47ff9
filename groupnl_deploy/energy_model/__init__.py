"""What group convolutions cost on one board: a model fitted to single layers, which chooses group sizes (E2GC)."""
