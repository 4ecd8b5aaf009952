"""The bytes of a stream, with what is needed to read them."""

from __future__ import annotations

import io
import os
from typing import Any

from evstream.indexing.opening import open as open_stream
from evstream.reading.stream import EventStream
from evstream.wire.event import Event
from evstream.wire.header import StreamHeader


class StreamBytes(bytes):
    """The bytes of a stream; they compare and slice as bytes do.

    Attributes:
        header: the StreamHeader that they were written with.
    """

    header: StreamHeader

    def __new__(cls, data: Any, header: StreamHeader) -> StreamBytes:
        made = super().__new__(cls, data)
        made.header = header
        return made

    @property
    def reading(self) -> dict[str, Any]:
        """The arguments with which any function of evstream reads these bytes: stream, widths and
        format."""
        header = self.header
        return {"stream": header.stream, "widths": dict(header.widths), "format": header.format}

    def open(self, **options: Any) -> EventStream:
        """The stream; options as for evstream.open."""
        return open_stream(io.BytesIO(self), **self.reading, **options)

    def events(self, **options: Any) -> list[Event]:
        """All events; options as for evstream.open."""
        with self.open(**options) as stream:
            return list(stream)

    def save(self, path: str | os.PathLike[str]) -> str | os.PathLike[str]:
        """Write a file; its path."""
        with open(path, "wb") as file:
            file.write(self)
        return path

    def __repr__(self) -> str:
        widths = [f"{n}={w}" for n, w in self.header.used_widths.items()]
        kind = " ".join([f"{self.header.stream} stream", *widths])
        return f"<{kind}: {super().__repr__()}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return StreamBytes, (bytes(self), self.header)
