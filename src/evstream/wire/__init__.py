"""The shape of a stream: its header, its blocks as columns, its kernels, its events.

`StreamHeader` owns the layout: ask it for dtypes, sizes and columns, and derive none.
Not here: opening or reading files.
May import: transport (for a writer's edge of a stream), _support, errors.
"""
