"""The base of generated code: descriptions of a format, memory access, compilation of kernels.

Also here: the cache of compiled kernels, and the words that kernels share with the runtime.
Not here: facts of one format (but for `build_mark`, which names the bound one); I/O of streams.
May import: errors.
"""
