"""From bytes that somebody brings to the columns of a recording: source, encoding, dialect, names, times, rows."""
