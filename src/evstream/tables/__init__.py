"""Streams as rows, matrices, Arrow tables and dataframes, and the way back.

Not here: no file formats.
May import: writing and below.
"""
