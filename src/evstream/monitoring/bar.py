"""`evstream.show_progress`: how far readers are, as a bar in a notebook or on a terminal.

A bar begins with the first source that is read while nothing else is, and ends with the last one,
or with the call that reads several. A thread asks the sources for their offsets and draws.
"""

from __future__ import annotations

import contextlib
import contextvars
import os
import sys
import threading
import time
import warnings
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Any

from evstream.extras import import_extra
from evstream.monitoring.read_files import ReadFiles
from evstream.transport import watching

_DELAY = 0.5
"""Seconds before a bar is shown."""

_EVERY = 0.2
_EVERY_LINE = 10.0
"""Seconds between two drawings, on a terminal or in a notebook and elsewhere."""

_STOPPED = 5.0
"""Seconds after which a drawing that does not end is left alone, as of a stopped terminal."""


def show_progress(show: bool = True, *, delay: float = _DELAY) -> Shown:
    """Show how far evstream is, wherever it reads: a bar in a notebook or on a terminal.

    It applies at once, to all functions and threads, until the `with` block that it heads ends;
    without `with`, as in a cell of a notebook, until `show_progress(False)`. What one call or one
    stream reads is one bar, and so is what several read at the same time. It counts bytes of the
    files, before they are expanded; of pipes, and of URLs not yet open, the total is not known.

    Args:
        show: False shows nothing.
        delay: seconds that reading takes before its bar appears, so that small files show none.

    Raises:
        MissingExtraError: tqdm is missing, which the extra evstream[progress] installs.
        TypeError, ValueError: `delay` is not a number of seconds.
    """
    if not isinstance(delay, (int, float)) or isinstance(delay, bool):
        raise TypeError(f"delay is {delay!r}, expected a number of seconds")
    if not delay >= 0:
        raise ValueError(f"delay is {delay!r}, expected 0 or more seconds")
    bars = Bars(_library(), delay) if show else None
    return Shown(bars, watching.watch(bars))


class Shown:
    """What `show_progress` began; a context manager that ends it."""

    def __init__(self, bars: Bars | None, before: watching.Watcher | None) -> None:
        self._bars, self._before = bars, before

    def __repr__(self) -> str:
        return f"<progress is {'not ' if self._bars is None else ''}shown>"

    def __enter__(self) -> Shown:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        watching.watch(self._before)
        if self._bars is not None:
            self._bars.end()


def _library() -> Any:
    """The bar of tqdm that fits: one of widgets where ipywidgets are, else one of text."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of missing widgets
        return import_extra("tqdm.auto").tqdm


class Bars:
    """The watcher that draws."""

    def __init__(self, library: Any, delay: float) -> None:
        self._library, self._delay = library, delay
        self._lock = threading.RLock()
        self._holders = 0
        self._process = os.getpid()
        self._bar: _Bar | None = None
        self._number = 0
        self._collected: deque[tuple[_Bar, int]] = deque()

    def opened(self, source: watching.Counted, size: int | None, kind: str) -> watching.Closed:
        """See Watcher."""
        self.tidy()
        with self._lock:
            bar = self._begin()
            self._number += 1
            number = self._number

            def collected(_: Any) -> None:
                self._collected.append((bar, number))  # at any line, so it takes no lock

            bar.files.opened(number, weakref.ref(source, collected), source, size, kind)
        if not self._delay:
            bar.draw()
        return lambda is_whole: self._closed(bar, number, is_whole)

    def expect(self, sizes: Iterable[tuple[Any, int | None]]) -> None:
        """See Watcher; outside of what is under way nothing is expected."""
        with self._lock:
            if self._bar is not None:
                self._bar.files.expect(sizes)

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """See Watcher."""
        self.tidy()
        with self._lock:
            self._holders += 1
            bar = self._begin()
        is_whole = False
        try:
            yield
            is_whole = True
        finally:
            with self._lock:
                self._holders -= 1
            self._end_if_idle(bar, is_whole)

    def tidy(self) -> None:
        """End what was collected without being closed."""
        while self._collected:
            with contextlib.suppress(IndexError):  # another thread was faster
                self._closed(*self._collected.popleft())

    def end(self) -> None:
        """End what is under way, as a stream that is left in the middle."""
        with self._lock:
            bar, self._bar = self._bar, None
        if bar is not None:
            bar.end()

    def _begin(self) -> _Bar:
        if self._bar is None:
            self._bar = _Bar(self._library, self._delay, self.tidy)
            self._bar.start()
        return self._bar

    def _closed(self, bar: _Bar, number: int, is_whole: bool = False) -> None:
        if os.getpid() != self._process:  # a forked process may have a lock that nobody opens
            return
        with self._lock:
            bar.files.closed(number)
        self._end_if_idle(bar, is_whole)

    def _end_if_idle(self, bar: _Bar, is_whole: bool) -> None:
        with self._lock:
            if bar is not self._bar or self._holders or bar.files.are_open:
                return
            self._bar = None
        bar.end(is_whole)  # without the lock: a thread that draws may close what it collects


class _Bar:
    """One bar: the files that are read, and the thread that draws.

    Attributes:
        files: what is known of them.
    """

    def __init__(self, library: Any, delay: float, tidy: Callable[[], None]) -> None:
        self._library, self._delay, self._tidy = library, delay, tidy
        self.files = ReadFiles()
        self._drawing = threading.RLock()
        self._ended = threading.Event()
        self._shown: Any = None
        self._began = time.time()

    def start(self) -> None:
        """Show the bar, after the delay."""
        # A notebook knows by the context which cell a thread writes for.
        run = contextvars.copy_context().run
        thread = threading.Thread(target=run, args=(self._show,), name="evstream-bar", daemon=True)
        with contextlib.suppress(RuntimeError):  # the system allows no more threads
            thread.start()

    def end(self, is_whole: bool = False) -> None:
        """End the bar, with all that `is_whole` has to read taken as read: an index may have ruled
        out some of it."""
        self._ended.set()
        if not self._drawing.acquire(timeout=_STOPPED):
            return
        try:
            bar, self._shown = self._shown, None
            if bar is not None:
                with contextlib.suppress(Exception):
                    self._update(bar, is_whole)
                    bar.close()
        finally:
            self._drawing.release()

    def _show(self) -> None:
        """Draw until the end; nothing here may disturb the work."""
        if self._ended.wait(min(self._delay, threading.TIMEOUT_MAX)):
            return
        every = _EVERY if "ipykernel" in sys.modules or _is_terminal() else _EVERY_LINE
        while True:
            self.draw()
            if self._ended.wait(every):
                return
            self._tidy()

    def draw(self) -> None:
        """Show how far the files are; nothing before one is open."""
        with self._drawing, contextlib.suppress(Exception):
            if self.files.are_known and not self._ended.is_set():
                self._draw()

    def _draw(self) -> None:
        if self._shown is None:
            self._shown = self._library(
                total=self.files.measured()[1], desc=self.files.name(), unit="B", unit_scale=True,
                mininterval=0, miniters=1, dynamic_ncols=True,
            )  # fmt: skip
            self._shown.start_t = self._shown.last_print_t = self._began
        self._update(self._shown)

    def _update(self, bar: Any, is_whole: bool = False) -> None:
        done, total = self.files.measured()
        if is_whole and done:
            total = done
        bar.set_description_str(self.files.name(), refresh=False)
        if total != bar.total:
            bar.total = total
            container = getattr(bar, "container", None)
            if container is not None and total is not None:  # of widgets
                container.children[1].max = total
        if done > bar.n:
            bar.update(done - bar.n)
        else:  # a file of columns is read back and forth
            bar.n = done
            bar.refresh()


def _is_terminal() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()
