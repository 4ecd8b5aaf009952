"""Compressed streams: detect, expand and make them.

Compressed input is detected by its first bytes. A type word never looks like one of these magic
numbers, since its last byte is a small source number. Input goes to the decompressor in small
pieces, so that memory stays bounded however much a piece expands to. A compressed file that ends
early is an error. Output is compressed if the name of the file says so.
"""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Callable
from typing import Any

from evstream.errors import CorruptStreamError, TruncatedStreamError
from evstream.extras import import_extra
from evstream.transport.range_file import shown

PIECE = {"gzip": 1 << 14, "zstd": 1 << 10}
"""Compressed bytes per step: gzip expands a thousandfold at most, zstd far more."""

MAGIC_SIZE = 4

_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_ZSTD_BEFORE_0_8 = {bytes([first, 0xB5, 0x2F, 0xFD]) for first in (0x1E, *range(0x22, 0x28))}
_SKIPPABLE = {bytes([first, 0x2A, 0x4D, 0x18]) for first in range(0x50, 0x60)}
"""First bytes of a zstd frame without content: pzstd puts one before each frame."""

_ZSTD_STARTS = {_ZSTD, *_ZSTD_BEFORE_0_8, *_SKIPPABLE}


def compression(start: bytes) -> str | None:
    """'gzip' or 'zstd', by the first bytes of a source; None if it is neither."""
    if start.startswith(_GZIP):
        return "gzip"
    return "zstd" if start[:MAGIC_SIZE] in _ZSTD_STARTS else None


_NOT_READ = {
    b"BZh": ("bzip2", "bzip2 -dc"),
    b"\xfd7zX": ("xz", "xz -dc"),
    b"\x04\x22\x4d\x18": ("lz4", "lz4 -dc"),
    b"PK\x03\x04": ("zip", "unzip -p"),
    b"\x1f\x9d": ("compress", "gzip -dc"),
}
"""First bytes of compressed files that evstream does not read -> (name, command to expand)."""


def unread_compression(start: bytes) -> tuple[str, str] | None:
    """(name, command to expand) if a source is compressed in a way that evstream does not read."""
    return next((found for magic, found in _NOT_READ.items() if start.startswith(magic)), None)


SUFFIXES = {"gz": "gzip", "zst": "zstd"}
"""Extension of a file name -> compression of the whole file."""


def may_be_compressed(source: Any, bare: bool) -> bool:
    """Whether to look for compression in the first bytes. A `bare` stream has no stream header, so
    its first id may look like a magic number; then the name of the file decides."""
    return not bare or compression_by_name(source) is not None


def compression_by_name(target: Any) -> str | None:
    """'gzip' or 'zstd', by the name of a file; None for other names, and if it is not a path."""
    if not isinstance(target, (str, os.PathLike)):
        return None
    name = shown(os.fsdecode(target))
    return SUFFIXES.get(os.path.splitext(name)[1][1:].lower())


def compressor(kind: str, file: Any) -> Any:
    """A file object that compresses what is written and passes it to `file`. Closing it ends the
    compressed data and leaves `file` open."""
    if kind == "gzip":
        # Level 9 is slow; a name and time would make the bytes differ each time.
        return gzip.GzipFile("", "wb", 6, file, mtime=0)
    return (
        import_extra("zstandard")
        .ZstdCompressor(write_checksum=True)
        .stream_writer(file, closefd=False)
    )


class Expander:
    """Reads the expanded bytes of a compressed source.

    `read(n)` returns up to n compressed bytes, b"" at the end. Several members in a row, as
    `cat a.gz b.gz` makes them, are read as one. Zero bytes after the last gzip member, which fill
    up a block of a tape or disk, are skipped as gzip skips them.

    An error names the byte of the expanded stream up to which all was right, and the piece of the
    compressed data that the library refused.
    """

    def __init__(self, kind: str, read: Callable[[int], bytes], source: str) -> None:
        self._kind = kind
        self._read = read
        self._source = source
        self._member: Any = _decompressor(kind)
        self._ready = memoryview(b"")
        self._fresh = True
        self._first = b""
        self._taken = 0  # compressed bytes that were read
        self._given = 0  # expanded bytes that were passed on

    def readinto(self, view: memoryview) -> int:
        """Fill part of `view`; the number of bytes, 0 at the end."""
        while not self._ready:
            piece = self._member.unused_data if self._member.eof else b""
            if self._member.eof:
                self._member, self._fresh, self._first = _decompressor(self._kind), True, b""
            if not piece:
                piece = self._read(PIECE[self._kind])
                self._taken += len(piece)
            if not piece:
                return self._end()
            if self._fresh and self._kind == "gzip" and piece.startswith(b"\0"):
                self._skip_padding(piece)
                return 0
            self._fresh = False
            if len(self._first) < MAGIC_SIZE:
                self._first += piece[: MAGIC_SIZE - len(self._first)]
            try:
                self._ready = memoryview(self._member.decompress(piece))
            except MemoryError:
                raise
            except Exception as error:  # zlib.error or zstandard.ZstdError
                raise self._error(str(error), len(piece)) from None
        size = min(len(view), len(self._ready))
        view[:size] = self._ready[:size]
        self._ready = self._ready[size:]
        self._given += size
        return size

    def _skip_padding(self, piece: bytes) -> None:
        """Read zero bytes to the end. Anything else is an error: a member may be lost there."""
        start = self._taken - len(piece)
        while piece:
            if piece.strip(b"\0"):
                raise CorruptStreamError(
                    f"zero bytes inside the gzip data, from byte {start} of the compressed data",
                    source=self._source, offset=self._given,
                    expected="the next gzip member, or zero bytes up to the end",
                )  # fmt: skip
            piece = self._read(PIECE[self._kind])
            self._taken += len(piece)

    def _error(self, reason: str, size: int) -> CorruptStreamError:
        """The error for an exception of the library, by its text, about the last `size` bytes that
        were read."""
        reason = f"bytes {self._taken - size} to {self._taken - 1} of the compressed data: {reason}"
        problem, expected = f"broken {self._kind} data ({reason})", ""
        if self._kind == "zstd":
            if self._first in _ZSTD_BEFORE_0_8:
                problem = "the zstd data has the format of zstd before 0.8"
                expected = "data compressed by zstd 0.8 or later"
            elif "ictionary" in reason:
                problem = f"the zstd data needs a dictionary ({reason})"
                expected = "data compressed without one, or the output of zstd -dc -D DICTIONARY"
            elif "memory" in reason:
                problem = f"the zstd data has a window above 128 MiB ({reason})"
                expected = "a smaller window, or the output of zstd -dc --long=31"
        return CorruptStreamError(
            problem, source=self._source, offset=self._given, expected=expected
        )

    def _end(self) -> int:
        if not self._fresh:
            raise TruncatedStreamError(
                f"the {self._kind} data ends too early, after {self._taken} compressed bytes",
                source=self._source,
                offset=self._given,
                expected="the end of its last member",
            )
        return 0


def _decompressor(kind: str) -> Any:
    if kind == "gzip":
        return zlib.decompressobj(wbits=31)
    return import_extra("zstandard").ZstdDecompressor().decompressobj()
