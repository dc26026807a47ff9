"""A network with all candidates for growth at once, as growth asks it and a device measures a step of it."""
