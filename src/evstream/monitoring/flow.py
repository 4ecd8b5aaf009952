"""What goes through one pipe, and how long its two sides were waited for.

From one read to the next, a thread waits for as long as that takes, less the processor time that it
uses. The wait is that of the read and of the writes between, in proportion to how long they took:
a side that is waited for takes much longer than it takes to copy bytes. So nothing depends on how
the other programs read and write, the descriptors stay as they are (other processes may share
them), and a piece costs one look at each clock more than its calls.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")

INPUT, OUTPUT = "input", "output"


@dataclass
class Position:
    """How far a stream is: bytes and events that came, the event under way, the stream type."""

    bytes: int = 0
    events: int = 0
    event: int | float | str | None = None
    stream: str = ""


class Flow:
    """Counts for one thread that passes bytes on; other threads may look at any time.

    Attributes:
        look: returns how far the stream is; set by the code that passes the stream on.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        used: Callable[[], float] = time.thread_time,
    ) -> None:
        """`clock` and `used` return the time, and the processor time of this thread."""
        self.look: Callable[[], Position] = Position
        self._clock, self._used = clock, used
        self._waited = {INPUT: 0.0, OUTPUT: 0.0}
        self._taken = {INPUT: 0.0, OUTPUT: 0.0}  # by calls since the last read began
        self._begun: tuple[float, float] | None = None  # when that was, by both clocks
        self._under_way: tuple[str, float] | None = None

    def reads(self, call: Callable[[Any], T]) -> Callable[[Any], T]:
        """The same function, whose waiting counts for the input."""
        clock, used = self._clock, self._used
        timed = self._timed(INPUT, call)

        def read(view: Any) -> T:
            self._settle(clock(), used())
            return timed(view)

        return read

    def writes(self, call: Callable[[Any], T]) -> Callable[[Any], T]:
        """The same function, whose waiting counts for the output."""
        return self._timed(OUTPUT, call)

    def _timed(self, side: str, call: Callable[[Any], T]) -> Callable[[Any], T]:
        clock, taken = self._clock, self._taken

        def timed(view: Any) -> T:
            start = clock()
            self._under_way = (side, start)
            try:
                return call(view)
            finally:
                taken[side] += clock() - start
                self._under_way = None

        return timed

    def _settle(self, now: float, used: float) -> None:
        """Divide what was waited since the last read began."""
        begun, taken, waited = self._begun, self._taken, self._waited
        self._begun = now, used
        total = taken[INPUT] + taken[OUTPUT]
        if begun is not None and total > 0:
            idle = min(max(now - begun[0] - (used - begun[1]), 0.0), total)
            for side in (INPUT, OUTPUT):
                waited[side] += idle * taken[side] / total
                taken[side] = 0.0

    def waited(self, side: str, now: float) -> float:
        """Seconds that a side was waited for up to now, by `clock`."""
        under_way = self._under_way
        since = now - under_way[1] if under_way is not None and under_way[0] == side else 0.0
        return self._waited[side] + self._taken[side] + max(since, 0.0)

    def waiting(self, now: float) -> tuple[str, float] | None:
        """The side that is waited for right now, and for how many seconds."""
        under_way = self._under_way
        return None if under_way is None else (under_way[0], max(now - under_way[1], 0.0))
