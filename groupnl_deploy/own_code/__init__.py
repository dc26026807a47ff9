"""Networks in files of the user's own. Their code is run here and nowhere else, and only what the user names."""
