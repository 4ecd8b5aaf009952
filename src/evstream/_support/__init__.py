"""What generated code is made of: shapes of a format, memory access, how kernels are compiled.

Not here: nothing of a particular format, no I/O.
May import: errors.
"""
