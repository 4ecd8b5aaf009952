"""A stretch of a stream, byte by byte: `evstream.explain`.

Offsets, records, fields and their meaning follow from the layout of the format; the rules that
bytes break come from validation. Here is what to show of a stream, and in which form.
"""
