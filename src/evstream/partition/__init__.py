"""Files cut into parts, which are read alone, in any order, by any thread, process or machine.

`evstream.parts` plans them, a `Part` is opened like a file, `evstream.map_parts` works on several.
Not here: what is done with the parts.
May import: indexing, reading and what lies below.
"""
