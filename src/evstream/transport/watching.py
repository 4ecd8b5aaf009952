"""The hook of `evstream.show_progress`: a watcher of what is read.

A source that is opened asks for the watcher once. Bytes are not reported as they are read: the
watcher asks each open source for its `offset()` now and then, so that reading costs the same with
and without one. The watcher is one for all threads, since readers work in threads of their own.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any, ParamSpec, Protocol, TypeVar

from evstream.transport.range_file import is_url, local_path, shown

P = ParamSpec("P")
T = TypeVar("T")


Closed = Callable[[bool], None]
"""Called when a source is closed, with whether all of it was read, as far as that is known."""


class Counted(Protocol):
    """What is read, and knows how far."""

    @property
    def name(self) -> str:
        """The path or URL, or a name in "<>"."""
        ...

    def offset(self) -> int:
        """Bytes read so far, counted before they are expanded."""
        ...


class Watcher(Protocol):
    """Gets reports of what is read."""

    def opened(self, source: Counted, size: int | None, kind: str) -> Closed:
        """A source of so many bytes is read; returns what is called when it is closed."""
        ...

    def expect(self, sizes: Iterable[tuple[Any, int | None]]) -> None:
        """Files, by name, that what is under way will read, with their sizes."""
        ...

    def together(self) -> AbstractContextManager[Any]:
        """All that is read meanwhile belongs together."""
        ...


WHOLE, STRETCH, SOME, SEVERAL = "whole", "stretch", "some", "several"
"""Kinds of sources: all of a file, a part among others, what an index picks of a file, and what
opens others in turn and counts no bytes of its own."""

_watcher: Watcher | None = None
_process = 0


def current() -> Watcher | None:
    """The watcher; None in a process that was forked since, which would draw over its parent."""
    return _watcher if _watcher is not None and os.getpid() == _process else None


def watch(watcher: Watcher | None) -> Watcher | None:
    """Report to this watcher from now on; returns the one before."""
    global _watcher, _process
    before = current()
    _watcher, _process = watcher, os.getpid()
    return before


def opened(source: Counted, size: int | None, kind: str = WHOLE) -> Closed | None:
    """Report a source to the watcher; what to call when it is closed, None without a watcher."""
    if _watcher is None or (watcher := current()) is None:
        return None
    return watcher.opened(source, size, kind)


def several(owner: Any) -> Closed | None:
    """Report an owner that opens sources in turn, which belong together."""
    return opened(owner, None, SEVERAL)


class Reading:
    """What is read without a source, by who says how far it is.

    Attributes:
        done: bytes.
    """

    def __init__(self, name: str, size: int | None) -> None:
        self.name, self.done = name, 0
        self._watched = opened(self, size)

    def offset(self) -> int:
        """See Counted."""
        return self.done

    def close(self) -> None:
        """Nothing more is read."""
        if self._watched is not None:
            self._watched(False)
            self._watched = None


def expect(sources: Iterable[Any]) -> None:
    """Report which files will be read: paths, and objects with a `length` and a `path`."""
    if _watcher is not None and (watcher := current()) is not None:
        watcher.expect([_measured(source) for source in sources])


def expect_sizes(sizes: Iterable[tuple[Any, int | None]]) -> None:
    """The same for files whose sizes are known; -1 stands for none."""
    if _watcher is not None and (watcher := current()) is not None:
        known = ((key_of(source), size) for source, size in sizes)
        watcher.expect([(key, size if size is None or size >= 0 else None) for key, size in known])


def one_bar(function: Callable[P, T]) -> Callable[P, T]:
    """A function all of whose reading belongs together."""

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        if _watcher is None:
            return function(*args, **kwargs)
        with together():
            return function(*args, **kwargs)

    return run


def together() -> AbstractContextManager[Any]:
    """A context in which all that is read belongs together."""
    watcher = current()
    return nullcontext() if watcher is None else watcher.together()


def each_together(results: Iterator[T], sources: Iterable[Any]) -> Iterator[T]:
    """An iterator that reads these sources as it goes on."""
    return results if current() is None else _each_together(results, sources)


def _each_together(results: Iterator[T], sources: Iterable[Any]) -> Iterator[T]:
    with together():
        expect(sources)
        yield from results


def key_of(source: Any) -> Any:
    """The name under which a file is known, another source itself."""
    if not isinstance(source, (str, os.PathLike)):
        return source
    source = local_path(os.fspath(source))
    return shown(source) if is_url(source) else source


def _measured(source: Any) -> tuple[Any, int | None]:
    if hasattr(source, "length"):
        return key_of(source.path), source.length
    key = key_of(source)
    is_path = isinstance(key, (str, bytes)) and not is_url(key)
    return key, os.path.getsize(key) if is_path and os.path.isfile(key) else None
