"""Compare two streams: which events, items and records differ, and by how much.

Both streams are read once, side by side. While they hold the same bits they are compared in
stretches of many events; where they do not, two events are matched item by item and record
by record, in numpy. Everything is matched by its ids, and where ids repeat, the k-th with
the k-th. Order is a difference of its own, so that it hides no other.

An event that has no counterpart yet waits for it. When LOOK_AHEAD_EVENTS events or
LOOK_AHEAD_BYTES of both streams wait, the oldest is given up and counts as missing from the
other stream. That is right while the events of both streams ascend; otherwise a note says that
it may be wrong.
"""

from __future__ import annotations

from evstream.comparison.report import Change, Comparison, Counts, Difference, Total
from evstream.comparison.streams import compare

__all__ = ["Change", "Comparison", "Counts", "Difference", "Total", "compare"]
