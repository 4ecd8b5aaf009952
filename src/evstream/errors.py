"""The errors and warnings of evstream.

Each error states in one line where it happened (source, byte, ids), the problem, and what was
expected. An operator reads the line; a program uses the attributes, which hold the same.
"""

from __future__ import annotations

import copy
import sys
import warnings
from collections.abc import Mapping, Sequence
from types import FrameType
from typing import Any, TypeVar

E = TypeVar("E", bound=BaseException)


def without_traceback(error: E) -> E:
    """A copy of an error that holds no frame, and so nothing of what raised it. Some libraries
    (tblib, which comes with Dask) have copies of errors keep their traceback."""
    found = copy.copy(error)
    found.__traceback__ = found.__context__ = found.__cause__ = None
    return found


def plain_id(value: Any) -> Any:
    """An id for messages, reports and JSON: an int, a float or a text."""
    value = value.item() if hasattr(value, "item") else value
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


class _Placed(Exception):  # noqa: N818 (a warning too)
    """What errors and warnings have in common: a problem, its place, and what was expected."""

    def __init__(
        self,
        problem: str,
        *,
        source: str | None = None,
        offset: int | None = None,
        ids: Mapping[str, Any] | None = None,
        expected: str = "",
    ) -> None:
        self.problem = problem
        self.source = source
        self.offset = offset
        self.ids = {name: plain_id(value) for name, value in (ids or {}).items()}
        values = [*self.ids.values(), None, None]
        self.event_id, self.item_id = values[0], values[1]
        self.expected = expected
        super().__init__(self._line())

    def _line(self) -> str:
        source = self.source and self.source.replace("\n", "\\n")
        parts = [p for p in (source, *self._places(), self.problem) if p]
        line = ": ".join(parts)
        line = f"{line}, expected {self.expected}" if self.expected else line
        return " ".join(line.split()) if "\n" in line else line  # a value may take several lines

    def _places(self) -> list[str]:
        place = [] if self.offset is None else [f"byte {self.offset}"]
        return [", ".join(place + [f"{name} {value}" for name, value in self.ids.items()])]


class EvstreamError(_Placed):
    """Base of all errors of the package.

    Attributes:
        problem: what is wrong, without the place.
        source: name of the file, pipe or object; None if there is none.
        offset: byte offset in the (decompressed) stream; None if it is not known.
        ids: ids of the block concerned, e.g. {"event_id": 3, "item_id": 7}.
        event_id, item_id: the first and second of them; None if unknown.
        expected: the correct input; "" if the problem implies it.
    """

    def moved(self, source: str, offset: int) -> EvstreamError:
        """A copy with another place."""
        found = copy.copy(self)
        found.source, found.offset = source, offset
        found.args = (found._line(), *self.args[1:])
        return found


class StreamHeaderError(EvstreamError):
    """The stream header is cut short, or has a type that the format does not define."""


class TruncatedStreamError(EvstreamError):
    """The stream ends inside a record or block (or, under strict, without its final delimiter)."""


class CorruptStreamError(EvstreamError):
    """The bytes cannot be valid: a negative count, a sample outside its event."""


class ChangedSourceError(EvstreamError):
    """A source changed while it was read: its file was overwritten, cut or extended, another
    reader moved its position, or a forked process reads a source that its parent opened."""


class SecondStreamError(CorruptStreamError):
    """Another stream starts before the end: files were joined byte by byte. The stream before it
    is complete."""


class StreamMismatchError(EvstreamError, OSError):
    """A stream has another type than expected, or than the other inputs.

    Also an OSError, because that is what the documented module raises here.
    """


class StallError(EvstreamError, TimeoutError):
    """No data received within the timeout.

    Attributes:
        streams: names of all the streams that were waited for; `source` is the first.
    """

    def __init__(
        self,
        problem: str,
        *,
        source: str | None = None,
        offset: int | None = None,
        streams: Sequence[str] = (),
    ) -> None:
        super().__init__(problem, source=source, offset=offset)
        self.streams = tuple(streams) or (() if source is None else (source,))


class ReaderError(EvstreamError):
    """read_buffer of a subclass raised, or left bytes of the stream unread."""


class WriteError(EvstreamError):
    """The data break a rule of the stream, or could not be written.

    Attributes:
        row: row number, from 0, in the columns to write; None if unknown.
        rule: id of the broken rule; None if it is not a rule of the spec.
    """

    def __init__(
        self,
        problem: str,
        *,
        source: str | None = None,
        offset: int | None = None,
        ids: Mapping[str, Any] | None = None,
        expected: str = "",
        row: int | None = None,
        rule: str | None = None,
    ) -> None:
        super().__init__(problem, source=source, offset=offset, ids=ids, expected=expected)
        self.row = row
        self.rule = rule


class TableError(EvstreamError):
    """A table (CSV, JSON lines, Parquet, Arrow) cannot become a stream.

    Attributes:
        line: line number in a text file, from 1; None elsewhere.
        row: row number in the table or batch, from 0; None if it concerns no row.
        column: column name; None if it concerns no column.
    """

    def __init__(
        self,
        problem: str,
        *,
        source: str | None = None,
        line: int | None = None,
        row: int | None = None,
        column: str | None = None,
        ids: Mapping[str, Any] | None = None,
        expected: str = "",
    ) -> None:
        self.line, self.row, self.column = line, row, column
        super().__init__(problem, source=source, ids=ids, expected=expected)

    def _places(self) -> list[str]:
        row = self.row if self.line is None else None
        places = [("line", self.line), ("row", row), ("column", self.column)]
        place = ", ".join(f"{name} {value}" for name, value in places if value is not None)
        return [place, *super()._places()]


class SealError(EvstreamError):
    """A seal cannot be read."""


class StaleIndexError(EvstreamError):
    """The index of a file cannot be read, or the file is not the one that was indexed."""


class AbsentEventError(EvstreamError, LookupError):
    """A stream does not have the event that was asked for."""


class EvstreamWarning(_Placed, UserWarning):
    """Base of all warnings of the package, with the attributes of EvstreamError."""


class MissingDelimiterWarning(EvstreamWarning):
    """The last block of a stream is not closed, as in streams of the C++ tools."""


class CutLineWarning(EvstreamWarning):
    """The last line of a CSV file has no newline: its last value may have lost digits."""


class AbsentEventWarning(EvstreamWarning):
    """An event that was requested by its id is not in the stream."""


class AbsentItemWarning(EvstreamWarning):
    """An item that was requested by its id is not in the stream, or in none of the events that were
    requested."""


class SuspectWarning(EvstreamWarning):
    """A stream can be read, but holds values that identify nothing, such as an event id of 0."""


class LargeEventWarning(EvstreamWarning):
    """An event is far larger than the parts that a file was cut into: whoever reads whole events
    has to hold it alone."""


class HoleWarning(SuspectWarning):
    """Zero bytes where blocks should be: a write or a copy was lost."""


class WidthWarning(SuspectWarning):
    """The beginning of a stream breaks rules at the widths that the caller named, or has absurd
    ids, and reads cleanly at others."""


class RowsWarning(EvstreamWarning):
    """A stream has blocks that rows cannot represent (empty ones, or the same ids twice in a row),
    or rows with a stream header break a rule and are written as they are."""


class AggregationWarning(EvstreamWarning):
    """A type word has an aggregation number that the format does not define."""


class SkippedEventWarning(EvstreamWarning):
    """A subclass of EventReader passed an event of its stream without yielding it."""


class CacheWarning(EvstreamWarning):
    """Compiled kernels cannot be read from or written to the disk; they are compiled again."""


class WithoutPeriodWarning(EvstreamWarning):
    """Events of a summary stream are in no period of the occurrence file: a result that is made
    of periods leaves them out."""


def warn(
    problem: str,
    category: type[EvstreamWarning],
    *,
    source: str | None = None,
    offset: int | None = None,
    ids: Mapping[str, Any] | None = None,
    expected: str = "",
) -> None:
    """Warn of a problem; see `emit`."""
    emit(category(problem, source=source, offset=offset, ids=ids, expected=expected))


def warn_like(error: EvstreamError, category: type[EvstreamWarning]) -> None:
    """Warn of what would be this error, in the same words."""
    warning = category(error.problem)
    vars(warning).update(vars(error))
    warning.args = (str(error),)
    emit(warning)


def emit(warning: Warning) -> None:
    """Warn at the line of the program that called the package, and warn each time: two streams
    without a name have the same text, and the second one is as bad as the first."""
    frame = sys._getframe(1)
    while frame.f_back is not None and _is_ours(frame):
        frame = frame.f_back
    warnings.warn_explicit(
        warning, type(warning), frame.f_code.co_filename, frame.f_lineno,
        frame.f_globals.get("__name__"),
    )  # fmt: skip


def _is_ours(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__")).partition(".")[0] in {"evstream", "numba"}


class MissingExtraError(EvstreamError, ImportError):
    """An optional dependency is not installed; the message names the extra to install."""
