"""Bytes in and out: paths, pipes, sockets, compressed files, files that appear whole.

A `Source` reads, a `Sink` writes; a `RangeFile` reads at any offset, and `listing` finds the files
that a pattern or folder stands for. The other modules serve these.
Not here: the meaning of the bytes.
May import: _support, errors, extras.
"""
