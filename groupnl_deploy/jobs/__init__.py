"""A make engine: jobs, what they read and make, stamps, and a run over them. Knows no model and no device."""
