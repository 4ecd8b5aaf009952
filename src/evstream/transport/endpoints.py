"""The types of sources and targets, as public signatures name them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Protocol, Union


class Readable(Protocol):
    """A binary file object: `read` gives up to `size` bytes, none of them at the end; None where
    nothing is there yet."""

    def read(self, size: int, /) -> bytes | None: ...


class ReadableInto(Protocol):
    """A binary file object that fills a buffer; `readinto` gives the number of bytes."""

    def readinto(self, buffer: Any, /) -> int | None: ...


class Receiving(Protocol):
    """A socket to read from."""

    def recv_into(self, buffer: Any, /) -> int: ...


class Writable(Protocol):
    """A binary file object to write to; see docs for what `write` may return."""

    def write(self, data: Any, /) -> int | None: ...


class Sending(Protocol):
    """A socket to write to."""

    def send(self, data: Any, /) -> int: ...


class Openable(Protocol):
    """A Part: it opens where it is read."""

    def open_section(self, timeout: float | None = None) -> Any: ...


SourceLike = Union[str, "os.PathLike[str]", int, Readable, ReadableInto, Receiving]
"""What a stream is read from: a path, "-" for stdin, a file descriptor, a binary file object, a
pipe or a socket."""

SourcesLike = Union[SourceLike, Openable, "Sequence[SourceLike | Openable]"]
"""One source or several: a SourceLike, a pattern or folder of files, a Part, Parts, or a list of
these."""

TargetLike = Union[str, "os.PathLike[str]", int, Writable, Sending]
"""What a stream is written to: a path, "-" for stdout, a file descriptor, a binary file object, a
pipe or a socket."""
