"""Numbers and rows as text. Knows neither files nor streams.

`rows` prints rows of CSV, `row_parser` parses them, a `Block` of `lines` at a time; `json` prints
rows as JSON lines; `exact` is the definition of what a number looks like, in plain Python, and
takes what the kernels leave to it.
The kernels: `powers` holds the powers of ten, `wide` the instructions that numba lacks, `digits`,
`shortest`, `decimals`, `float32` and `parsing` convert one number, `column_texts` prints those of a
column; `kernels` prints and `parse_kernels` parses the rows of a block, which `column_blocks`
describes.
"""
