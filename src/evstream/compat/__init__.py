"""What stands behind the documented module: `EventReader`, `reader_class`, open inputs.

Not here: nothing that the other rooms need.
May import: reading and below.
"""
