"""What a stream looks like: its header, its blocks as columns, its kernels, its events.

Not here: no I/O.
May import: _support.
"""
