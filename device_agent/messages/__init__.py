"""What host and agent say to each other: one topic a file, each request with its answer and how it is answered.

The host imports these files, so they import only the standard library; what a handler needs of the device it finds in
its `session`. To add one: a file here, its line in `wire.MESSAGE_FILES`.
"""
