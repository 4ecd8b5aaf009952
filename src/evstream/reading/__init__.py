"""Bytes to events: `evstream.open` and the steps below it.

Not here: no rule beyond what can be parsed.
May import: wire, transport.
"""
