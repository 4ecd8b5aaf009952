"""Bytes to events: `evstream.open` and the steps below it.

A source fills a window, a decoder makes columns of it, an assembler makes events of these.
Not here: rules of the format, except those without which a stream cannot be parsed.
May import: wire, transport, _support, errors.
"""
