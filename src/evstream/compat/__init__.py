"""The parts of the documented module: `EventReader`, `reader_class`, opening inputs.

`event_reader` has the base class, `stream_input` reads bytes, `feed` keeps how far it is read.
Not here: anything that other packages need, but for `event_stream`.
May import: reading and below; `open_inputs` also `_generated.layout`, as its contract is Oasis.
"""
