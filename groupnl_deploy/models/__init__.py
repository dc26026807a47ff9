"""Networks and convolutions. Torch only: the agent's PyTorch backend carries this package to the board."""
