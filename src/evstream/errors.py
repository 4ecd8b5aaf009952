"""Everything evstream raises on account of its input or output.

Each error says in one line where it happened (source, byte, ids) and what was expected,
and carries the same as attributes, so that an operator reads it and a program uses it.
"""

from __future__ import annotations

from collections.abc import Mapping


class EvstreamError(Exception):
    """Base of all errors of the package.

    Attributes:
        source: name of the file, pipe or object; None when there is none.
        offset: byte offset in the (decompressed) stream; None when it has no place.
        ids: ids of the block concerned, e.g. {"event_id": 3, "item_id": 7}.
        event_id, item_id: the first and second of them; None when unknown.
        expected: what would have been right; "" when the problem says it.
    """

    def __init__(
        self,
        problem: str,
        *,
        source: str | None = None,
        offset: int | None = None,
        ids: Mapping[str, int] | None = None,
        expected: str = "",
    ) -> None:
        self.problem = problem
        self.source = source
        self.offset = offset
        self.ids = {name: int(value) for name, value in (ids or {}).items()}
        values = [*self.ids.values(), None, None]
        self.event_id, self.item_id = values[0], values[1]
        self.expected = expected
        super().__init__(self._line())

    def _line(self) -> str:
        place = [] if self.offset is None else [f"byte {self.offset}"]
        place += [f"{name} {value}" for name, value in self.ids.items()]
        parts = [p for p in (self.source, ", ".join(place), self.problem) if p]
        line = ": ".join(parts)
        return f"{line}, expected {self.expected}" if self.expected else line


class StreamHeaderError(EvstreamError):
    """The stream header is cut short, or is none that the format has."""


class TruncatedStreamError(EvstreamError):
    """The stream ends inside a record or block (or, under strict, without its final delimiter)."""


class CorruptStreamError(EvstreamError):
    """The bytes cannot mean anything: a negative count, a sample outside its event."""


class StreamMismatchError(EvstreamError, OSError):
    """A stream is of another type than the one expected, or than its neighbours.

    Also an OSError, because that is what the documented module raises here.
    """


class ReaderError(EvstreamError):
    """A subclass's read_buffer raised, or left bytes of the stream unread."""


class WriteError(EvstreamError):
    """What is to be written breaks a rule of the stream, or could not be written."""


class MissingDelimiterWarning(UserWarning):
    """The last block of a stream is not closed; the C++ tools write streams so."""


class MissingExtraError(EvstreamError, ImportError):
    """An optional dependency is not installed; the message names the extra that brings it."""
