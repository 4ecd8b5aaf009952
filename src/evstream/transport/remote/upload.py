"""Write an object, which appears when it is complete.

Parts go up as they fill, several at once. The store makes an object of them at `commit`; before
that they are invisible, and `abort` removes them. A small object is one request. What a killed
process has uploaded stays invisible; stores remove such parts where a rule of the bucket says so.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import Any

from evstream.errors import EvstreamError
from evstream.extras import import_extra
from evstream.transport.environment import upload_part
from evstream.transport.remote.failures import named_failures
from evstream.transport.remote.other_object import OtherWriter, system_of
from evstream.transport.remote.remote_file import RemoteFile
from evstream.transport.remote.stores import store_of
from evstream.transport.remote.urls import Url

PART = 32 << 20
"""Bytes of one part. Stores take 10,000, so that an object may have 312 GiB."""

LEAST_PART, MOST_PART = 5 << 20, 5 << 30
"""What stores take as a part that is not the last."""

MOST_PARTS = 10_000

IN_FLIGHT = 4
"""Parts that go up at once, each in memory."""


class StoreWriter:
    """Writes an object of a store that obstore serves."""

    def __init__(self, url: Url, options: Mapping[str, Any] | None, part: int) -> None:
        self._name, self._options = url.shown, options
        obstore = import_extra("obstore")
        with self._named():
            self._file = obstore.open_writer(
                store_of(url, options), url.key, buffer_size=part, max_concurrency=IN_FLIGHT
            )

    def write(self, data: bytes) -> None:
        with self._named():
            self._file.write(data)

    def commit(self) -> None:
        with self._named():
            self._file.close()

    def abort(self) -> None:
        with self._named():
            self._file.__exit__(EvstreamError, None, None)

    def _named(self) -> Any:
        return named_failures(self._name, self._options)


class Upload:
    """An object that is being written: `write`, then `commit` or `abort`; as a WholeFile.

    Attributes:
        is_in_place: whether the new object is there.
    """

    is_in_place = False

    def __init__(self, url: str, storage_options: Mapping[str, Any] | None = None) -> None:
        parts = Url.of(url)
        self.name, self._url, self._options = parts.shown, url, storage_options
        if parts.scheme in {"http", "https"}:
            raise EvstreamError(
                "a web server takes no files", source=self.name,
                expected="a path, or the URL of an object store",
            )  # fmt: skip
        if not parts.key or parts.key.endswith("/"):
            raise IsADirectoryError(21, "the URL names no object", self.name)
        self._part = upload_part(PART, LEAST_PART, MOST_PART)
        self._written = 0
        self._writer: StoreWriter | OtherWriter = (
            StoreWriter(parts, storage_options, self._part)
            if parts.is_of_store
            else OtherWriter(url, storage_options)
        )
        self._open = True

    def write(self, view: memoryview) -> int:
        """Write all of `view`; its size. Raises OSError."""
        self._written += len(view)
        if self._written > self._part * MOST_PARTS:
            raise OSError(
                27,
                f"an object has at most {MOST_PARTS} parts of {self._part} bytes, expected larger"
                " parts (EVSTREAM_UPLOAD_PART=256MiB takes 2.4 TiB and four parts of memory)",
            )
        self._writer.write(bytes(view))  # a copy: the library may keep it after the call
        return len(view)

    def commit(self) -> None:
        """Make the object of its parts. Raises OSError; the old object then stays."""
        self._writer.commit()
        self._open, self.is_in_place = False, True

    def abort(self) -> None:
        """Remove what was uploaded, unless the object `is_in_place`."""
        if self._open:
            self._open = False
            with contextlib.suppress(OSError):
                self._writer.abort()

    def restorer(self) -> Callable[[], None]:
        """A function that restores, after `commit`, the object that has the name now; its bytes are
        kept in memory."""
        try:
            file = RemoteFile(self._url, self._options)
            old: bytes | None = _all(file)
        except FileNotFoundError:
            old = None

        def restore() -> None:
            if not self.is_in_place:
                return
            if old is None:
                remove(self._url, self._options)
                return
            upload = Upload(self._url, self._options)
            try:
                upload.write(memoryview(old))
                upload.commit()
            except BaseException:
                upload.abort()
                raise

        return restore


def _all(file: RemoteFile) -> bytes:
    data = bytearray(file.size)
    file.read_at(0, memoryview(data))
    return bytes(data)


def remove(url: str, options: Mapping[str, Any] | None = None) -> None:
    """Remove an object. Raises OSError."""
    parts = Url.of(url)
    with named_failures(parts.shown, options):
        if parts.is_of_store:
            import_extra("obstore").delete(store_of(parts, options), parts.key)
        else:
            system, path = system_of(url, options)
            system.rm_file(path)
