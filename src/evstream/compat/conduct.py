"""Whether a subclass of EventReader yields what its stream holds.

A subclass parses its bytes itself, and may skip, sum up and yield as it likes; it need not yield
at the end of an event, and an event may come several times. But an event that it yields must be
one of those that it has passed since it yielded last, and its cursor must then stand between two
records. Code that numba kept on disk for other widths, or one that loses its place, breaks this
soon. An event that is passed without being yielded is a warning: a subclass may mean it.
"""

from __future__ import annotations

from typing import Any

from evstream.compat.feed import Feed
from evstream.errors import ReaderError, SkippedEventWarning, warn


def check_move(reader: Any, feed: Feed, before: int, cursor: int, end: int) -> None:
    """Raise ReaderError where read_buffer moved the cursor out of what it was given."""
    if before <= cursor <= end:
        return
    problem = f"went back by {before - cursor} bytes, which would be read twice"
    if cursor > end:
        problem = f"took {cursor - end} bytes more than there are"
    raise ReaderError(
        f"read_buffer of {type(reader).__name__} {problem}",
        source=feed.name, offset=feed.base + before,
    )  # fmt: skip


def check_yield(reader: Any, feed: Feed, event_id: int, cursor: int) -> None:
    """Compare an event that read_buffer yielded, with `cursor` in the window, with the stream.

    Raises ReaderError; warns, once per stream, of an event that was passed without a yield, where
    each one before was yielded at its end: not of a subclass that yields once per buffer.
    """
    tracker, last = feed.tracker, feed.base + cursor
    if tracker is None or not tracker.has_blocks:
        return
    first, before = feed.yielded_at, feed.yielded_event
    feed.yielded_at, feed.yielded_event = last, event_id
    if tracker.is_whole_event(event_id, first, last):
        feed.yields_events = True
        return
    passed = tracker.events_between(first, last)
    if event_id and event_id not in passed:
        held = ", ".join(map(str, list(dict.fromkeys(passed))[:4])) or "none"
        raise _astray(
            reader, feed, last, f"yields event {event_id}",
            f"one of the events up to there since byte {first}, which are {held}",
        )  # fmt: skip
    if not tracker.is_between_records(last):
        raise _astray(
            reader, feed, last, "yields with its cursor inside a record", "the end of one"
        )
    skipped = [found for found in passed if found not in {event_id, before}]
    if skipped and feed.yields_events:
        warn(
            f"{feed.name}: byte {last}: read_buffer of {type(reader).__name__} passed event "
            f"{skipped[0]} without yielding it",
            SkippedEventWarning,
        )
    if skipped or tracker.ids_at(last):
        feed.yields_events = False  # it yields by buffers, or picks events


def _astray(reader: Any, feed: Feed, offset: int, problem: str, expected: str) -> ReaderError:
    advice = ""
    if folders := _cache_folders(type(reader).read_buffer):
        advice = (
            f"; numba keeps its code in {' and '.join(folders)}: delete what was compiled there "
            "for other widths"
        )
    return ReaderError(
        f"read_buffer of {type(reader).__name__} {problem}",
        source=feed.name, offset=offset,
        ids=feed.tracker.ids_at(offset) if feed.tracker else {}, expected=expected + advice,
    )  # fmt: skip


def _cache_folders(function: Any) -> list[str]:
    """Where numba keeps a function and those that it names, for njit functions with cache=True."""
    plain = getattr(function, "py_func", function)
    code = getattr(plain, "__code__", None)
    named = [plain.__globals__.get(name) for name in code.co_names] if code else []
    named += [cell.cell_contents for cell in getattr(plain, "__closure__", None) or ()]
    caches = [getattr(found, "_cache", None) for found in (function, *named)]
    paths = [getattr(found, "cache_path", None) for found in caches]
    return sorted({str(path) for path in paths if path})
