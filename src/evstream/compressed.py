"""Compressed streams: told by their first bytes, expanded as they are read, checked at their
end; and made where the name of a file says so.

A stream type word never looks like one of the magics, since its last byte is a small
source number. Input goes to the decompressor in small pieces, so that memory stays bounded
however much a piece expands to, and a compressed file that is cut is an error.
"""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Callable
from typing import Any

from evstream.errors import CorruptStreamError, TruncatedStreamError
from evstream.extras import import_extra

PIECE = {"gzip": 1 << 14, "zstd": 1 << 10}
"""Compressed bytes per step: gzip expands at most a thousandfold, zstd far more."""

_MAGIC = {b"\x1f\x8b\x08": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
MAGIC_SIZE = max(map(len, _MAGIC))


def compression(start: bytes) -> str | None:
    """'gzip' or 'zstd' by the first bytes of a source, None if it is neither."""
    return next((name for magic, name in _MAGIC.items() if start.startswith(magic)), None)


SUFFIXES = {"gz": "gzip", "zst": "zstd"}
"""Extension of a file name -> compression around the whole file."""


def compression_by_name(target: Any) -> str | None:
    """'gzip' or 'zstd' by the name of a file, None for another name and what is no path."""
    if not isinstance(target, (str, os.PathLike)):
        return None
    return SUFFIXES.get(os.path.splitext(os.fsdecode(target))[1][1:].lower())


def compressor(kind: str, file: Any) -> Any:
    """A file object to write to, which writes what it is given to `file`, compressed; closing
    it ends the compressed data and leaves `file` open."""
    if kind == "gzip":
        # Level 9 is slow, and a name and time would make other bytes each time.
        return gzip.GzipFile("", "wb", 6, file, mtime=0)
    return (
        import_extra("zstandard")
        .ZstdCompressor(write_checksum=True)
        .stream_writer(file, closefd=False)
    )


class Expander:
    """Gives the expanded bytes of a compressed source through `readinto`.

    `read(n)` gives up to n compressed bytes, b"" at the end. Members that follow one
    another, as `cat a.gz b.gz` makes them, are read as one.
    """

    def __init__(self, kind: str, read: Callable[[int], bytes], source: str) -> None:
        self._kind = kind
        self._read = read
        self._source = source
        self._member: Any = _decompressor(kind)
        self._ready = memoryview(b"")
        self._fresh = True

    def readinto(self, view: memoryview) -> int:
        """Fill part of `view`; the number of bytes, 0 at the end."""
        while not self._ready:
            piece = self._member.unused_data if self._member.eof else b""
            if self._member.eof:
                self._member, self._fresh = _decompressor(self._kind), True
            piece = piece or self._read(PIECE[self._kind])
            if not piece:
                return self._end()
            self._fresh = False
            try:
                self._ready = memoryview(self._member.decompress(piece))
            except Exception as error:  # zlib.error or zstandard.ZstdError
                raise CorruptStreamError(
                    f"broken {self._kind} data ({error})", source=self._source
                ) from None
        size = min(len(view), len(self._ready))
        view[:size] = self._ready[:size]
        self._ready = self._ready[size:]
        return size

    def _end(self) -> int:
        if not self._fresh:
            raise TruncatedStreamError(
                f"the {self._kind} data ends too early",
                source=self._source,
                expected="the end of its last member",
            )
        return 0


def _decompressor(kind: str) -> Any:
    if kind == "gzip":
        return zlib.decompressobj(wbits=31)
    return import_extra("zstandard").ZstdDecompressor().decompressobj()
