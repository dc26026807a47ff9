"""Published data sets, from the files as their authors give them out. Nothing is downloaded, unpacked or written."""
