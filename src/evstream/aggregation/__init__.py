"""Sums, counts, means and maxima of a stream per key, in memory bounded by the number of keys.

Each part gives a `Partial`, and partials merge by key: on threads here, on the workers of an engine
elsewhere. Not here: what an engine does with them.
"""
