"""What is where: the devices a user has named, what was pushed to each, and pushing."""
