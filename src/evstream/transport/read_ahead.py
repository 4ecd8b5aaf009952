"""Read a file in order, with several ranges on their way.

An object store answers a request after 20 to 50 ms and sends over each connection only so much. So
while one range is used, the next ones are being fetched. The first ranges are short and few, since
many readers need the beginning alone.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotInTime

from evstream.errors import StallError
from evstream.transport.range_file import RangeFile

SMALLEST = 1 << 18
"""Bytes of the first range; each one after it has twice as many."""

RANGE = 8 << 20
"""Bytes of a range at most."""

IN_FLIGHT = 6
"""Ranges at once at most, each in memory."""


class ReadAhead:
    """The bytes of a file from `start` to `stop` in order; a raw file object to read from.

    Attributes:
        name: of the file.
        size: bytes from `start` to `stop`.

    With a `timeout`, StallError is raised if a range does not come for so many seconds.
    """

    def __init__(
        self,
        file: RangeFile,
        start: int = 0,
        stop: int | None = None,
        timeout: float | None = None,
    ) -> None:
        self.name, self._file, self._timeout = file.name, file, timeout
        self._stop = file.size if stop is None else stop
        self.size = self._stop - start
        self._start = self._at = start  # of the next byte to return
        self._asked = start  # end of the ranges that are on their way
        self._range = SMALLEST
        self._depth = 1
        self._ready = memoryview(b"")
        self._waiting: deque[Future[memoryview]] = deque()
        self._pool: ThreadPoolExecutor | None = None

    def readinto(self, view: memoryview) -> int:
        """Read into `view`; 0 at the end. Raises the errors of `RangeFile.read_at`."""
        if not self._ready:
            self._ready = self._next()
        size = min(len(view), len(self._ready))
        view[:size] = self._ready[:size]
        self._ready = self._ready[size:]
        self._at += size
        return size

    def fill(self, view: memoryview) -> None:
        """Fill `view`, or as much of it as there is up to the end."""
        while view and (size := self.readinto(view)):
            view = view[size:]

    def close(self) -> None:
        """Drop the ranges that are on their way, and close the file."""
        self._waiting.clear()
        self._asked = self._stop
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None
        self._file.close()

    def _next(self) -> memoryview:
        """The next range. The first is read without a thread: it may be all that is needed."""
        if self._asked == self._start < self._stop and self._timeout is None:
            return self._fetch(*self._take())
        self._fill_up()
        if not self._waiting:
            return memoryview(b"")
        try:
            piece = self._waiting[0].result(self._timeout)
        except NotInTime:
            raise StallError(
                f"no data received for {self._timeout:g} s", source=self.name, offset=self._at
            ) from None
        self._waiting.popleft()
        self._depth = min(self._depth + 1, IN_FLIGHT)
        self._fill_up()
        return piece

    def _fill_up(self) -> None:
        while len(self._waiting) < self._depth and self._asked < self._stop:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(IN_FLIGHT, "evstream-range")
            self._waiting.append(self._pool.submit(self._fetch, *self._take()))

    def _take(self) -> tuple[int, int]:
        """(offset, bytes) of the next range to ask for."""
        offset, size = self._asked, min(self._range, self._stop - self._asked)
        self._asked += size
        self._range = min(2 * self._range, RANGE)
        return offset, size

    def _fetch(self, offset: int, size: int) -> memoryview:
        view = memoryview(bytearray(size))
        self._file.read_at(offset, view)
        return view
