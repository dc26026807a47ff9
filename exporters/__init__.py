"""From an `nn.Module` to a file that a device can run, proved equal to its source before it is written."""

__dist__ = "groupnl-deploy"
