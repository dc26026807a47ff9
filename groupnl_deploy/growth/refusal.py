"""How a growth step is refused."""

from groupnl_deploy.errors import UsageError


class CannotGrow(UsageError):
    """Nothing of a network can grow, or not as much as was asked for."""
