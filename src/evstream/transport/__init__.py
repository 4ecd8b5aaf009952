"""Bytes in and out: paths, pipes, sockets, compressed files, files that appear whole.

Not here: nothing of what the bytes mean.
May import: _support.
"""
