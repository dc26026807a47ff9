"""GroupNL networks from training to a small board, with speed, memory and energy that were measured.

This module stays empty of imports: the agent bundle carries it next to `groupnl_deploy.models`.
"""

__dist__ = "groupnl-deploy"
__version__ = "0.1.0"
