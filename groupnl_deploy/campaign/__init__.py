"""A campaign: one file that says what is trained, exported, pushed, benchmarked and reported."""
