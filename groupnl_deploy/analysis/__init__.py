"""What many runs say together: the spread of repeats, and what two things compared pair by pair differ in. Pure."""
