"""The words in which kernels and the runtime talk: phases, statuses, fields of the state.

A kernel takes as many whole records as it can, and keeps in its state what the next call needs:
the phase, and the block that is open. It returns a status instead of raising an error. Generated
kernels have these numbers compiled in.
"""

from __future__ import annotations

AT_HEADER, IN_ENTRIES = 0, 1
"""Phase: a block header comes next, or the entries of the open block do."""

NEED_INPUT, OUTPUT_FULL, BAD_COUNT = 0, 1, 2
"""Status: no whole record is left, no row of the output is left, a block has a negative count."""

REFUSED = -2
"""Status of a read_buffer with callbacks: the entry at the cursor breaks a limit."""

STATE_FIELDS = (
    "phase",
    "start",
    "entries",
    "left",
    "in_event",
    "limit",
    "beyond",
    "rare",
    "common",
    "odd",
    "empty",
    "merged",
)
"""Fields of the state, before those of the records; see `wire.kernels.new_states`."""
