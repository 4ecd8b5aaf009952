"""What the function of a component returns, written to its stream."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from evstream._support.arguments import described
from evstream.wire.event import Event, no_matrix
from evstream.writing.writer import Writer


def write_result(out: Writer, event: Any, result: Any) -> None:
    """Write what a function returned for an event, a part of a generator at a time.

    Raises TypeError for a value that is not a result, and the errors of the writer.
    """
    if result is None:
        return
    if isinstance(result, Event):
        out.write(result)
    elif isinstance(result, Mapping):
        _write_columns(out, event, result)
    elif isinstance(result, tuple) and len(result) in (2, 3):
        item_ids, losses, *more = result
        columns = more[0] if more else {}
        if not isinstance(columns, Mapping):
            raise TypeError(f"the third value is {described(columns)}, expected a dict of columns")
        out.write_event(event, item_ids, losses, **columns)
    elif isinstance(result, (list, Iterator)):
        for part in result:
            if isinstance(part, (list, Iterator)):
                raise _no_result(part, "one of the values")
            write_result(out, event, part)
    else:
        raise _no_result(result, "the value")


def _write_columns(out: Writer, event: Any, columns: Mapping[str, Any]) -> None:
    header = out.header
    name = header.event_column
    if no_matrix(header) is None and header.sidx not in columns:
        keyword = {} if name in columns else {name: event}
        out.write_event(**keyword, **columns)
    else:
        out.write_columns(**{name: event, **columns})


def _no_result(value: Any, what: str) -> TypeError:
    return TypeError(
        f"{what} that the function returned is {described(value)}, expected (item_ids, losses), a"
        " dict of columns, an Event or None"
    )
