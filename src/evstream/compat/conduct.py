"""Check that a subclass of EventReader yields the events that its stream holds.

A subclass parses its bytes itself, and may skip, sum up and yield as it likes; it need not yield
at the end of an event, and an event may come several times. But each event that it yields must be
one of those that it has passed since its last yield, and its cursor must then stand between two
records. A subclass that loses its place, or whose code numba has cached for other widths, soon
breaks this. An event that is passed without a yield is only a warning: it may be intended.
"""

from __future__ import annotations

from typing import Any

from evstream.compat.feed import Feed
from evstream.compat.parse_window import ParseWindow
from evstream.errors import ReaderError, SkippedEventWarning, warn


def failure(reader: Any, error: Exception, window: ParseWindow) -> ReaderError:
    """The error to raise when read_buffer raised one."""
    feed, event_id, reason = window.feed, window.event_id, str(error).partition("\n")[0]
    return ReaderError(
        f"read_buffer of {type(reader).__name__} raised {type(error).__name__}: {reason}",
        source=feed.name, offset=feed.base + window.cursor,
        ids={"event_id": event_id, "item_id": window.item_id} if event_id else {},
    )  # fmt: skip


def wrong_move(reader: Any, feed: Feed, before: int, cursor: int, end: int) -> ReaderError:
    """The error to raise when read_buffer moved the cursor out of what it was given."""
    problem = f"moved the cursor back by {before - cursor} bytes, which would be read twice"
    if cursor > end:
        problem = f"moved the cursor {cursor - end} bytes past the end of the data"
    return ReaderError(
        f"read_buffer of {type(reader).__name__} {problem}",
        source=feed.name, offset=feed.base + before,
    )  # fmt: skip


def check_yield(reader: Any, feed: Feed, event_id: int, cursor: int) -> None:
    """Compare an event that read_buffer yielded at `cursor` of the window with the stream.

    Raises ReaderError. Warns, once per stream, of an event that was passed without a yield if each
    event before was yielded at its end; a subclass that yields once per buffer gets no warning.
    """
    tracker, yields, last = feed.tracker, feed.yields, feed.base + cursor
    if tracker is None or not tracker.has_blocks:
        return
    first, before = yields.offset, yields.event_id
    yields.offset, yields.event_id, yields.at_end = last, event_id, False
    if feed.ends.is_next(first, event_id, last):  # the quick answer for most events
        yields.every_event = yields.at_end = True
        return
    passed = tracker.events_between(first, last)
    if event_id and event_id not in passed:
        held = ", ".join(map(str, list(dict.fromkeys(passed))[:4])) or "none"
        raise _astray(
            reader, feed, last, f"yields event {event_id}",
            f"one of the events from byte {first} up to there: {held}",
        )  # fmt: skip
    if not tracker.is_between_records(last):
        raise _astray(
            reader, feed, last, "yields with its cursor inside a record", "the end of one"
        )
    skipped = [found for found in passed if found not in {event_id, before}]
    if skipped and yields.every_event:
        warn(
            f"read_buffer of {type(reader).__name__} passed event {skipped[0]} without yielding it",
            SkippedEventWarning, source=feed.name, offset=last,
        )  # fmt: skip
    if skipped or tracker.ids_at(last):
        yields.every_event = False  # it yields by buffers, or picks events


def _astray(reader: Any, feed: Feed, offset: int, problem: str, expected: str) -> ReaderError:
    advice = ""
    if folders := _cache_folders(type(reader).read_buffer):
        advice = (
            f"; numba caches its code in {' and '.join(folders)}: delete the files there if they "
            "were compiled for other widths"
        )
    return ReaderError(
        f"read_buffer of {type(reader).__name__} {problem}",
        source=feed.name, offset=offset,
        ids=feed.tracker.ids_at(offset) if feed.tracker else {}, expected=expected + advice,
    )  # fmt: skip


def _cache_folders(function: Any) -> list[str]:
    """The cache folders of an njit function with cache=True and of the functions that it names."""
    plain = getattr(function, "py_func", function)
    code = getattr(plain, "__code__", None)
    named = [plain.__globals__.get(name) for name in code.co_names] if code else []
    named += [cell.cell_contents for cell in getattr(plain, "__closure__", None) or ()]
    caches = [getattr(found, "_cache", None) for found in (function, *named)]
    paths = [getattr(found, "cache_path", None) for found in caches]
    return sorted({str(path) for path in paths if path})
