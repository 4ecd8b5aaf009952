"""A RangeFile of an object, by its URL."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from evstream.errors import TruncatedStreamError
from evstream.transport.range_file import FileFacts
from evstream.transport.remote.failures import NoRangesError, named_failures
from evstream.transport.remote.other_object import OtherObject
from evstream.transport.remote.store_object import StoreObject
from evstream.transport.remote.urls import Url

FIRST = 1 << 18
"""Bytes of the first request, which also brings the size and tag: enough for a stream header, and
for all of a small file."""

RANGE = 8 << 20
"""Bytes of one request. A request costs 20 to 50 ms before its first byte, about as long as 2 MiB
take at the 50 to 90 MB/s of one connection; larger ones would only take memory."""

IN_FLIGHT = 6
"""Requests at once, which fill a line of 3 to 5 Gbit/s."""


class RemoteFile:
    """A RangeFile of an object. It pickles by its URL and options, and must then be the same one.

    With `facts` the first request is the first range that is read; else it is made here.
    """

    def __init__(
        self,
        url: str,
        storage_options: Mapping[str, Any] | None = None,
        facts: FileFacts | None = None,
    ) -> None:
        parts = Url.of(url)
        self.name = parts.shown
        self._url, self._options = url, storage_options
        self._object = object_of(url, storage_options)
        self._start = b""
        if facts is None:
            facts, self._start = self._object.first(FIRST)
        self._facts = facts
        self.size, self.tag = facts

    def __reduce__(self) -> tuple[Any, ...]:
        return RemoteFile, (self._url, self._options, self._facts)

    def read_at(self, offset: int, view: memoryview) -> None:
        """See RangeFile. A long view is filled by several requests at once."""
        if offset + len(view) > self.size:
            raise TruncatedStreamError(
                "the file ends here", source=self.name, offset=self.size,
                expected=f"{offset + len(view) - self.size} more bytes",
            )  # fmt: skip
        if offset < len(self._start):
            known = self._start[offset : offset + len(view)]
            view[: len(known)] = known
            offset, view = offset + len(known), view[len(known) :]
        if len(view) <= RANGE:
            if len(view):
                self._object.read(self._facts, offset, view)
            return
        starts = range(0, len(view), RANGE)
        with ThreadPoolExecutor(min(IN_FLIGHT, len(starts))) as pool:
            reads = [
                pool.submit(self._object.read, self._facts, offset + at, view[at : at + RANGE])
                for at in starts
            ]
            try:
                for read in reads:
                    read.result()
            finally:
                pool.shutdown(wait=True, cancel_futures=True)

    def close(self) -> None:
        """See RangeFile. The connections belong to the store, which other files use."""


class WholeObject:
    """An object from its first byte to its last by one request, for servers that send no ranges;
    a raw file object to read from."""

    def __init__(self, url: str, storage_options: Mapping[str, Any] | None = None) -> None:
        self.name, self._options = Url.of(url).shown, storage_options
        found = object_of(url, storage_options).whole()
        self.size, self.tag = found[0]
        self._pieces: Iterator[Any] = found[1]
        self._piece = memoryview(b"")
        self._count = 0

    def readinto(self, view: memoryview) -> int:
        """Read into `view`; 0 at the end of the object."""
        if not self._piece:
            try:
                with named_failures(self.name, self._options, self._count):
                    self._piece = memoryview(next(self._pieces, b"")).cast("B")
            except NoRangesError as error:  # the library tried to go on where it broke
                error.strerror = f"byte {self._count}: the connection broke"
                raise
            if not self._piece and self._count != self.size:
                raise TruncatedStreamError(
                    "the server sent a part of the file", source=self.name, offset=self._count,
                    expected=f"{self.size - self._count} more bytes",
                )  # fmt: skip
        size = min(len(view), len(self._piece))
        view[:size] = self._piece[:size]
        self._piece = self._piece[size:]
        self._count += size
        return size

    def close(self) -> None:
        """Drop the connection."""
        self._pieces = iter(())


def object_of(url: str, options: Mapping[str, Any] | None) -> StoreObject | OtherObject:
    """The object of a URL, by the library that serves its scheme."""
    parts = Url.of(url)
    return StoreObject(parts, options) if parts.is_of_store else OtherObject(url, options)
