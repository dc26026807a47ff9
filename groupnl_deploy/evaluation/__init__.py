"""How good any network here is on images: checkpoints and artifacts, on their own data set or another."""
