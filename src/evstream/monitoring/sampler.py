"""Makes records of a flow, with what happened in the last seconds."""

from __future__ import annotations

import math
import os
import socket
import time
from collections import deque
from collections.abc import Callable

from evstream.monitoring.flow import INPUT, OUTPUT, Flow
from evstream.monitoring.neighbours import birth_of, programs_at
from evstream.monitoring.record import RUNNING, Program, Recent, Record

WINDOW = 10.0
"""Seconds that the recent numbers are of."""

Ends = tuple[list[int] | None, list[int] | None]


class Sampler:
    """Makes a Record of a Flow whenever it is asked.

    `ends` are the pipes at both ends of the process, as `neighbours.pipe_of` gives them.
    """

    def __init__(
        self,
        flow: Flow,
        name: str,
        ends: Ends = (None, None),
        *,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        find: Callable[[Ends], tuple[list[Program], list[Program]]] = programs_at,
    ) -> None:
        """`clock` is that of the flow, `wall` returns the time of day."""
        self._flow, self._clock, self._wall, self._find = flow, clock, wall, find
        self._start = clock()
        pid = os.getpid()
        self._record = Record(
            name or f"pipe-{pid}", pid, birth_of(pid), socket.gethostname(), started=wall(),
            input=ends[0], output=ends[1],
        )  # fmt: skip
        self._seen: deque[tuple[float, Recent]] = deque([(self._start, Recent())])
        self._looks, self._next_look = 0, self._start

    def sample(self, state: str = RUNNING, problem: str = "") -> Record:
        """The record as of now."""
        now, record, flow = self._clock(), self._record, self._flow
        at = flow.look()
        total = Recent(
            now - self._start, at.bytes, at.events,
            flow.waited(INPUT, now), flow.waited(OUTPUT, now),
        )  # fmt: skip
        record.state, record.problem = state, problem
        record.updated, record.seconds = self._wall(), round(total.seconds, 3)
        record.stream, record.bytes, record.events = at.stream, at.bytes, at.events
        is_finite = not isinstance(at.event, float) or math.isfinite(at.event)
        record.event = at.event if is_finite else str(at.event)  # JSON has no others
        record.waited_input = round(total.waited_input, 3)
        record.waited_output = round(total.waited_output, 3)
        record.waiting, waiting = flow.waiting(now) or ("", 0.0)
        record.waiting_seconds = round(waiting, 3)
        record.recent = self._recent(now, total)
        self._look_around(now)
        return record

    def _recent(self, now: float, total: Recent) -> Recent:
        seen = self._seen
        while len(seen) > 1 and now - seen[1][0] >= WINDOW:
            seen.popleft()
        then, before = seen[0]
        seen.append((now, total))
        return Recent(
            round(now - then, 3),
            total.bytes - before.bytes,
            total.events - before.events,
            round(max(total.waited_input - before.waited_input, 0.0), 3),
            round(max(total.waited_output - before.waited_output, 0.0), 3),
        )

    def _look_around(self, now: float) -> None:
        """Find the programs at the other ends. They may start later, and a shell may become one of
        them, so this looks again, less and less often: it reads all processes."""
        record = self._record
        if now < self._next_look or record.state != RUNNING:
            return
        self._looks += 1
        self._next_look = now + min(2.0**self._looks, 60.0)
        upstream, downstream = self._find((record.input, record.output))
        record.upstream = upstream or record.upstream
        record.downstream = downstream or record.downstream
