"""One growth step of GEARnn (arXiv 2410.07691): which channels a network gains most from, and the wider network."""

__dist__ = "groupnl-deploy"
