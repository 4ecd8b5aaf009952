"""Arrays to bytes: `evstream.create` and the steps below it.

Not here: nothing of tables.
May import: checking and below.
"""
