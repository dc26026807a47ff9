"""Reports: rows derived from run folders alone, in the form of the paper's tables."""
