"""The pipes that a merge reads, and what it waits for.

A merge reads the input that has the next event, and no other. One program that feeds two pipes in
turn may then wait for the first to be read while the merge waits for data in the second. Nothing
that a reader could hold back would end that for streams of any size, so it is reported: who is
waited for, and which other pipes have data.
"""

from __future__ import annotations

import math
import os
import stat
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from evstream.transport.environment import timeout_of
from evstream.transport.polling import bytes_waiting, wait_readable
from evstream.transport.source import Source, open_without_waiting

PATIENCE = 10.0
"""Seconds without data after which a merge says what it waits for."""


class Pipes:
    """The inputs of a merge that are no regular files.

    All FIFOs are opened before one is read, so a program may open them in any order.
    """

    def __init__(self, timeout: float | None, say: Callable[[str], None], held: ExitStack) -> None:
        self._timeout, self._say, self._held = timeout, say, held
        self._sources: list[PipeSource] = []
        self._is_said = False

    def opened(self, source: Any) -> Any:
        """The source, a FIFO as an open file."""
        if not isinstance(source, (str, os.PathLike)) or source == "-":
            return source
        try:
            is_fifo = stat.S_ISFIFO(os.stat(source).st_mode)
        except (OSError, ValueError):  # an error of whoever opens it
            return source
        if not is_fifo:
            return source
        return self._held.enter_context(open(source, "rb", 0, opener=open_without_waiting))

    def source(self, source: Any, expand: bool) -> Source:
        """A source of bytes that knows of the other pipes."""
        # A FIFO that was opened without waiting seems to have ended before it has a writer, except
        # to a source that has a timeout.
        timeout = timeout_of(self._timeout) or math.inf
        return PipeSource(source, self, expand, timeout)

    def begin(self, source: PipeSource) -> None:
        """One more source is open."""
        self._sources.append(source)

    def others(self, source: PipeSource) -> str:
        """The other pipes that have data, with how much, as a sentence; "" for none."""
        found = [(other.name, other.waiting) for other in self._sources if other is not source]
        full = [f"{name} has {size:,} bytes" for name, size in found if size]
        if not full:
            return ""
        return f"{' and '.join(full)}; a program that feeds all in turn waits for a reader there"

    def report(self, source: PipeSource) -> None:
        """Say once what is waited for, if another pipe has data."""
        if not self._is_said and (others := self.others(source)):
            self._is_said = True
            self._say(f"{source.name}: no data received for {PATIENCE:g} s, while {others}")


class PipeSource(Source):
    """A source that says what it waits for."""

    def __init__(self, source: Any, pipes: Pipes, expand: bool, timeout: float) -> None:
        self._pipes = pipes
        super().__init__(source, expand=False, timeout=timeout)
        pipes.begin(self)
        if expand:
            try:
                self.expand()
            except BaseException:
                self.close()
                raise

    @property
    def waiting(self) -> int:
        """Bytes that can be read at once, of a pipe."""
        descriptor = self.waitable
        return 0 if descriptor is None else bytes_waiting(descriptor)

    def _has_data(self) -> bool:
        assert self._descriptor is not None
        assert self._timeout is not None
        if self._timeout <= PATIENCE:
            return super()._has_data()
        if wait_readable([self._descriptor], PATIENCE):
            return True
        self._pipes.report(self)
        return bool(wait_readable([self._descriptor], self._timeout - PATIENCE))

    def _meanwhile(self) -> str:
        others = self._pipes.others(self)
        return f", while {others}" if others else ""
