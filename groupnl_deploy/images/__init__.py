"""Images: data sets by name, what a benchmark shows a network, and how pixels become its input."""
