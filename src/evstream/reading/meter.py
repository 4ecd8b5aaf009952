"""How many bytes several streams have read together, for the `progress` of a function."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

from evstream._support.arguments import function
from evstream.reading.stream import EventStream
from evstream.wire.columns import Chunk


class Meter:
    """Calls `progress` with the sum of what its inputs have read, by one thread at a time. Bytes
    are those of the sources, before they are expanded."""

    def __init__(self, progress: Callable[[int], object] | None) -> None:
        """Raises TypeError if `progress` is neither None nor a function."""
        if progress is not None:
            function("progress", progress)
        self._progress, self._done, self._lock = progress, 0, threading.Lock()

    def input(self) -> Callable[[int], None]:
        """A function to be called with the bytes that one more input has read so far."""
        before = 0

        def update(done: int) -> None:
            nonlocal before
            if self._progress is None or done == before:
                return
            with self._lock:
                self._done += done - before
                self._progress(self._done)
            before = done

        return update

    def chunks(self, stream: EventStream) -> Iterator[Chunk]:
        """The chunks of a stream, maybe in a thread of several."""
        update = self.input()
        for chunk in stream.chunks():
            yield chunk
            update(stream.bytes_read)
