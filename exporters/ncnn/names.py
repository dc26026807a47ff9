"""What the format ncnn is made of, in words; imports nothing slow."""

PARAM_FILE, WEIGHTS_FILE = "model.param", "model.bin"
CONVERSION = "ncnn"
"""The pass that makes it, in an artifact's report."""

OLDEST_WITH_LAYERS = "1.0.20261020"
"""The oldest ncnn that layers of GroupNL's were tried in."""
