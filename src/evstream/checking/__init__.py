"""Rules and proofs: `evstream.validate`, and seals.

Not here: nothing that changes a stream.
May import: reading and below.
"""
