"""Detect a stream that is read at widths other than its writer's.

Nothing in a stream says how wide its numbers are, and at wrong widths most streams still parse.
Their values then break rules from the first blocks on: ids of 0, sidx above len_sample. So the
first two blocks are checked at the widths in use. If they break a rule of severity error, or
cannot be read, the first 16 KiB are read at each other combination of widths. If exactly one of
these keeps all rules, it is the writer's. A caller who named the widths is only warned of it,
as long as the stream can be parsed: a small stream that breaks rules may fit others by chance.

Event ids alone keep the rules at twice their width. Ids that are all too large for the writer's
width show it, if their halves are distinct and small. A single id proves nothing, nor do large
halves: where all halves are distinct ids, this is a warning. So it is for amounts alone that are
unlikely at the widths in use, and likely at others.
"""

from __future__ import annotations

from itertools import product
from typing import Any, TypeVar

import numpy as np

from evstream.errors import (
    CorruptStreamError,
    TruncatedStreamError,
    WidthWarning,
    warn,
    warn_like,
    without_traceback,
)
from evstream.reading.first_blocks import ENOUGH, FirstBlocks
from evstream.wire.columns import Array
from evstream.wire.header import StreamHeader
from evstream.wire.rules import Checker

FIRST = 1 << 14
"""Bytes of a stream that are tried."""

FEW = 2
"""Blocks that show whether the widths in use are right."""

GROWTH = 1.25
"""How much longer the beginning must have become to be tried again."""

E = TypeVar("E", bound=Exception)


_latest: list[tuple[StreamHeader | None, bytes]] = [(None, b"")]
"""The last beginning that passed: all parts of a file have the same one, and the same header."""


class WidthTrial:
    """Tries the beginning of one stream, as it comes in.

    Attributes:
        header: of the stream; None before it is known.
        is_over: whether enough came to decide.
    """

    def __init__(self, source: str, header: StreamHeader | None = None) -> None:
        self.header = header
        self.is_over = False
        self._source = source
        self._data = bytearray()
        self._next = 0
        self._passed = -1  # bytes that passed, and pass again if no others come
        self._error: CorruptStreamError | None = None

    def take(self, data: Any) -> None:
        """Take the next bytes of the stream, from its first byte on."""
        if not self.is_over:
            self._data += memoryview(data)[: FIRST - len(self._data)]

    def judge(self, ended: bool = False, failed: bool = False, strict: bool = False) -> None:
        """Try what has come so far, if it is enough more than at the last time.

        Args:
            ended: whether the stream ended here.
            failed: whether the reader cannot go on at the widths in use.
            strict: whether widths that were named are refused as well.

        Raises CorruptStreamError if the stream was written at other widths.
        """
        if self._error is not None:
            raise without_traceback(self._error)  # a traceback would keep the reader alive
        header, size = self.header, len(self._data)
        if header is None or self.is_over or (size < self._next and not ended and not failed):
            return
        known, beginning = _latest[0]
        if size == self._passed or (known is header and beginning == self._data):
            self.is_over = True
            return
        self._next = int(size * GROWTH) + 1
        data = bytes(self._data)
        self.is_over = ended or failed or size >= FIRST
        if self.is_over:
            self._data.clear()
        ended = ended and size < FIRST
        opening = FirstBlocks(header, data, FEW + 1)
        first = opening.first(FEW)
        breaks = not first.parses or (bool(first.counts) and _breaks(first, "error"))
        cut = first.closed < FEW and (failed or (ended and not first.is_whole))
        if not breaks and first.closed >= FEW and header.block.entry is not None:
            # No other byte changes this, once there is another block after these.
            self.is_over |= first is not opening
            self._passed = size
            if self.is_over:
                _latest[0] = header, data
            return
        if not breaks and not cut:
            # What fails after blocks that are as they should be is cut or damaged.
            fits, is_likely = None, True
            if self.is_over and not failed:
                fits, is_likely = half_widths(header, data, ended)
                if fits is None:
                    fits, is_likely = float_widths(header, data, ended), False
            if fits is not None and not is_likely:
                problem = (
                    "may be two that were"
                    if header.block_dtype[0].kind in "iu"
                    else "is an unlikely number, and would be a likely one"
                )
                column = header.block_dtype.names[0]  # type: ignore[index]
                warn(
                    f"each {column} {problem} written with {_named(fits)}; nothing in the stream"
                    " shows which",
                    WidthWarning,
                    source=self._source,
                )
                return
        else:
            fits = fitting_widths(header, data, ended, perfect=not breaks)
        if fits is None:
            return
        error = CorruptStreamError(
            f"the stream does not fit its widths ({_named(_open_widths(header))})",
            source=self._source, offset=header.size,
            expected=f"{_named(fits)}, with which it reads cleanly",
        )  # fmt: skip
        self.is_over = True
        if first.parses and not cut and not strict and header.named & fits.keys():
            warn_like(error, WidthWarning)
            return
        self._error = error
        raise without_traceback(error)

    def cause_of(self, error: E) -> E | CorruptStreamError:
        """The error to raise where reading fails with `error`: wrong widths, if these are why."""
        if isinstance(error, (CorruptStreamError, TruncatedStreamError)):
            try:
                self.judge(failed=True)
            except CorruptStreamError as cause:
                return cause
        return error


def fitting_widths(
    header: StreamHeader, data: bytes, ended: bool, perfect: bool = False
) -> dict[str, str] | None:
    """The widths, of those that differ from the header's, at which alone the first bytes of a
    stream read cleanly; None where it cannot be said which.

    Where several keep the rules of severity error, that one counts which also keeps the others;
    if it must be `perfect`, no other counts.
    """
    own, scalars = _open_widths(header), header.format.scalars
    clean: list[dict[str, str]] = []
    suspect: list[dict[str, str]] = []
    for widths in product(*(scalars[name].widths for name in own)):
        chosen = dict(zip(own, widths, strict=True))
        other = None if chosen == own else _with_widths(header, data, chosen)
        if other is None:
            continue
        opening = FirstBlocks(other, data)
        reads = opening.parses and (opening.is_whole or not ended)
        if not (reads and opening.says_enough and opening.has_likely_events(header)):
            continue
        changed = {name: width for name, width in chosen.items() if width != own[name]}
        if not _breaks(opening, "error"):
            (suspect if _breaks(opening, "warning") else clean).append(changed)
    best = clean or ([] if perfect else suspect)
    return best[0] if len(best) == 1 else None


def half_widths(
    header: StreamHeader, data: bytes, ended: bool
) -> tuple[dict[str, str] | None, bool]:
    """The widths at which a list of event ids holds twice as many ids, or None, and whether these
    are more likely than those in use, and not just as likely."""
    if header.block.entry is not None:
        return None, True
    events = FirstBlocks(header, data).events
    if not len(events) or events.dtype.kind not in "iu":
        return None, True
    for name, own in _open_widths(header).items():
        for width in header.format.scalars[name].widths:
            other = _with_widths(header, data, {name: width})
            if width == own or other is None or other.block_dtype[0].kind not in "iu":
                continue
            opening = FirstBlocks(other, data)
            too_large = events > np.iinfo(other.block_dtype[0]).max
            reads = opening.parses and (opening.is_whole or not ended)
            distinct = len(np.unique(opening.events)) == len(opening.events)
            if reads and distinct and too_large.all() and not _breaks(opening, "error"):
                is_likely = len(events) >= _FEW_IDS and opening.has_likely_events(header)
                if is_likely and opening.says_enough:
                    return {name: width}, True
                if len(other.block_columns) == 1:
                    return {name: width}, False
    return None, True


_FEW_IDS = 2


def float_widths(header: StreamHeader, data: bytes, ended: bool) -> dict[str, str] | None:
    """The widths at which a file of floats alone has amounts as people have them, where it does
    not at those in use."""
    dtype = header.block_dtype
    if header.block.entry is not None or len(dtype.names or ()) != 1 or dtype[0].kind != "f":
        return None
    own = FirstBlocks(header, data).events
    if len(own) < ENOUGH // 2 or (_is_likely(own).all() and not _alternate(own)):
        return None
    for name, width in _open_widths(header).items():
        for chosen in header.format.scalars[name].widths:
            other = None if chosen == width else _with_widths(header, data, {name: chosen})
            if other is None:
                continue
            opening = FirstBlocks(other, data)
            values = opening.events
            if (opening.is_whole or not ended) and _is_likely(values).all() and values.any():
                return {name: chosen}
    return None


LIKELY = (1e-2, 1e13)
"""Amounts of money between these are likely."""


def _is_likely(values: Array) -> Array:
    found: Array = (values == 0) | ((values >= LIKELY[0]) & (values <= LIKELY[1]))
    return found


def _alternate(values: Array) -> bool:
    """Whether zeros and others take turns, as the halves of round numbers do."""
    others = values[1::2]
    return not values[::2].any() and 2 * int(np.count_nonzero(others)) >= len(others)


def _open_widths(header: StreamHeader) -> dict[str, str]:
    """The widths of the stream's records that might be others."""
    scalars = header.format.scalars
    return {n: width for n, width in header.used_widths.items() if len(scalars[n].widths) > 1}


def _with_widths(header: StreamHeader, data: bytes, widths: dict[str, str]) -> StreamHeader | None:
    """The stream header as it is at other widths; None where it is not all there."""
    other = StreamHeader(header.stream, {}, {**header.widths, **widths}, header.format)
    if len(data) < other.size or header.spec.header is None:
        return other if len(data) >= other.size else None
    dtype = other.record_dtype(header.spec.header)
    record = np.frombuffer(data, dtype, 1, other.size - dtype.itemsize)[0]
    values = {name: record[name].item() for name in dtype.names or ()}
    return StreamHeader(header.stream, values, other.widths, header.format)


def _breaks(opening: FirstBlocks, severity: str) -> bool:
    """Whether the first bytes break a rule of this severity."""
    broken = Checker(opening.header, (severity,)).broken(opening.columns(), is_open=opening.is_open)
    return next(broken, None) is not None


def _named(widths: dict[str, str]) -> str:
    return ", ".join(f"{name}={width}" for name, width in widths.items())
