"""Reaching a device: transports, the agent bundle, deployment, the agent's client, the inventory."""
