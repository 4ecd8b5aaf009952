"""Numbers and rows as text. Knows neither files nor streams.

`rows` prints and parses rows of CSV; `json` prints rows as JSON lines; `exact` is the definition
of what a number looks like, in plain Python, and takes what the kernels leave to it. The kernels:
`powers` holds the powers of ten, `wide` the instructions that numba lacks, `digits`, `shortest`,
`decimals` and `parsing` convert one number, and `kernels` walks over the rows of a block.
"""
