"""Streams to and from files of tables: `evstream.convert`, one module per file format.

Not here: no printing of numbers: that is `text`.
May import: tables, text and below.
"""
