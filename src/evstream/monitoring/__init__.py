"""Which stage of a pipeline is slow: what `evstream tee` measures, and `evstream monitor` shows.

A pipe between two programs has a `Flow`, which counts what goes through and how long both sides
were waited for. A `Sampler` makes a `Record` of it each second, a `Publisher` hands that to files
and lines. `register` finds the records of a run again, `verdict` concludes which program is slow.

`bar` is `evstream.show_progress`, which asks open sources how far they are.

Not here: streams. A flow gets its numbers from outside, whatever the format.
"""
