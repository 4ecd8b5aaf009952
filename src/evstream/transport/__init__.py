"""Bytes in and out: paths, pipes, sockets, compressed files, files that appear whole.

A `Source` reads, a `Sink` writes; the other modules serve these two.
Not here: the meaning of the bytes.
May import: _support, errors, extras.
"""
