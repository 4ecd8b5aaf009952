"""Functions as programs of a pipeline: `evstream.component`.

`component` is the decorator, `options` the command line, `inputs` what is read, `results` what the
function returns, `program` the process with its errors.
Not here: the work on streams, which belongs to the rooms of reading, merging and writing.
May import: cli and below.
"""
