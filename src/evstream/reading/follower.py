"""Follow a stream whose bytes go somewhere else: into a file, a pipe, a checksum.

A Follower takes the bytes in pieces of any size. It finds the stream header first, then gives all
bytes to a BlockTracker. Where only the records tell which variant of a stream this is, it waits for
as many bytes as readers try. Seals and indexes are made by followers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from evstream._support.format import Format
from evstream.errors import StreamHeaderError, TruncatedStreamError
from evstream.reading.block_tracker import BlockTracker
from evstream.reading.first_bytes import LOOKED_AT, refuse_content
from evstream.reading.index_files import refuse_placed
from evstream.reading.record_variants import FIRST, fitting_variant, has_variants
from evstream.wire.header import StreamHeader
from evstream.wire.header_bytes import read_header

PIECE = 1 << 22
"""Bytes that are followed at once."""


class Follower:
    """Follows one stream. A subclass begins at `_begin`, and looks at the blocks of each piece
    in `_see`.

    Attributes:
        size: bytes that went by.
        is_undecided: whether the variant of the stream is not known yet.
        unclosed: after `finish`, the error of a missing final delimiter; else None.
    """

    def __init__(
        self,
        source: str,
        header: StreamHeader | None = None,
        stream: str | None = None,
        widths: Mapping[str, str] | None = None,
        format: Format | None = None,
        *,
        total: int | None = None,
    ) -> None:
        """`total`: the bytes that will come; None if that is not known."""
        self.size = 0
        self.is_undecided = False
        self._total = total
        self.unclosed: TruncatedStreamError | None = None
        self._source = source
        self._stream, self._widths, self._format = stream, widths, format
        self._start = bytearray()
        self._opening: bytearray | None = bytearray() if header is None else None
        self._tracker: BlockTracker | None = None
        if header is not None:
            self._begin(header)

    @property
    def header(self) -> StreamHeader | None:
        """Of the stream; None until it has come."""
        return self._tracker.header if self._tracker is not None else None

    @property
    def tracker(self) -> BlockTracker:
        """The blocks that were seen last; there is one once the header has come."""
        assert self._tracker is not None
        return self._tracker

    def update(self, data: Any) -> None:
        """Take the next bytes, those of the stream header included.

        Raises StreamHeaderError for a stream that is none, CorruptStreamError for one that cannot
        be parsed.
        """
        view = memoryview(data).cast("B")
        self.size += len(view)
        if self._tracker is not None:
            self._look_at(view)
            self._follow(view)
            return
        self._start += view
        is_found = self._find_header()
        self._look_at(view)
        if is_found:
            self._follow_start()

    def _look_at(self, view: memoryview, is_all: bool = False) -> None:
        """Refuse text in the place of numbers, once there are enough bytes to tell."""
        if self._opening is None:
            return
        self._opening += view[: LOOKED_AT - len(self._opening)]
        is_known = self._tracker is not None or self.is_undecided
        if is_known and (is_all or len(self._opening) == LOOKED_AT):
            first, self._opening = bytes(self._opening), None
            header = self.header or self._parse_header()
            refuse_content(first[header.size :], header, (), self._source)

    def decide(self) -> None:
        """Take the variant that fits best what has come, since no more will."""
        if self.is_undecided:
            self._begin_variant(self._parse_header(), self.size)
            self._follow_start()

    def _follow_start(self) -> None:
        view = memoryview(bytes(self._start))
        self._start.clear()
        self._follow(view)

    def _follow(self, view: memoryview) -> None:
        for at in range(0, len(view), PIECE):
            piece = view[at : at + PIECE]
            self.tracker.see(np.frombuffer(piece, np.uint8))
            self._see(piece)

    def _finish(self) -> None:
        """Judge the end of the stream.

        Raises TruncatedStreamError or StreamHeaderError for one that is cut. What only misses
        its final delimiter is whole; see `unclosed`.
        """
        self._look_at(memoryview(b""), is_all=True)
        self.decide()
        if self._tracker is None:  # of no byte: a list of event ids may be that short
            self._begin(self._parse_header())
        self.unclosed = self.tracker.check_end()

    def _begin(self, header: StreamHeader) -> None:
        self._tracker = BlockTracker(
            header, self._source, 0, header.size, strict=header.block.entry is not None
        )

    def _see(self, piece: memoryview) -> None:
        """Look at a piece that the tracker has just seen."""

    def _find_header(self) -> bool:
        """Parse the stream header once it is all there."""
        try:
            header = self._parse_header()
        except StreamHeaderError as error:
            if error.offset == len(self._start):
                return False  # it is only not all there yet
            raise
        self.is_undecided = has_variants(header) and len(self._start) < FIRST
        if self.is_undecided:
            return False
        if has_variants(header):
            self._begin_variant(header, self._total)
        else:
            self._begin(header)
        return True

    def _begin_variant(self, header: StreamHeader, size: int | None) -> None:
        self.is_undecided = False
        self._begin(fitting_variant(header, bytes(self._start[:FIRST]), size))

    def _parse_header(self) -> StreamHeader:
        rest = bytes(self._start)

        def read(size: int) -> bytes:
            nonlocal rest
            piece, rest = rest[:size], rest[size:]
            return piece

        header = read_header(read, self._source, self._stream, self._widths, self._format)
        refuse_placed(header.format, header.stream, "the bytes", self._source)
        return header
