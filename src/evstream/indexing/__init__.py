"""Indexes: where the blocks and events of a file are, kept in a small file next to it.

Here are the file format, what makes it, and the reading of ranges by it with the checks that make
a stale index an error. What rows and tables are made of the blocks is not decided here.
"""
