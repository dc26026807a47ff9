"""Benchmarks: the choreography of agent and meter, and the pure arithmetic on what they recorded."""
