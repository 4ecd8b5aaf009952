"""Work next to the main thread. numba, pyarrow and file reads release the GIL, so threads
do; what is in flight is bounded, and order is kept."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from evstream.partition.threads import threads_of

A = TypeVar("A")
B = TypeVar("B")


def in_order(
    function: Callable[[A], B], items: Iterable[A], threads: int | None
) -> Generator[tuple[A, B]]:
    """Each item with function(item), by so many threads, or as many as there are cores. Items are
    drawn in this thread, so that a pipe which has nothing to say holds up no other part. Where
    drawing fails, those before are given first."""
    workers = threads_of(threads)
    if workers == 1:
        for item in items:
            yield item, function(item)
        return
    waiting: deque[tuple[A, Future[B]]] = deque()
    drawn, failure = iter(items), None
    with ThreadPoolExecutor(workers) as pool:
        try:
            while failure is None:
                try:
                    item = next(drawn)
                except Exception as error:
                    failure = error
                    break
                waiting.append((item, pool.submit(function, item)))
                if len(waiting) > workers:
                    done, result = waiting.popleft()
                    yield done, result.result()
            while waiting:
                done, result = waiting.popleft()
                yield done, result.result()
            if not isinstance(failure, StopIteration):
                raise failure
        finally:
            for _, result in waiting:
                result.cancel()


def ahead(items: Iterator[A], depth: int = 4) -> Generator[A]:
    """The same items, drawn by a thread of its own a little ahead of their use.

    Only for what never waits for long: the end waits until no item is being drawn. The thread
    itself is not waited for, since a signal may come while it starts; it draws nothing after
    the end.
    """
    ready: queue.Queue[tuple[A | None, BaseException | None]] = queue.Queue(depth)
    drawing = threading.Lock()
    stopped = False

    def draw() -> None:
        while True:
            item: A | None = None
            error: BaseException | None = None
            with drawing:
                if stopped:
                    return
                try:
                    item = next(items)
                except BaseException as caught:
                    error = caught
            ready.put((item, error))
            if error is not None:
                return

    try:
        threading.Thread(target=draw, daemon=True).start()
        while True:
            item, error = ready.get()
            if isinstance(error, StopIteration):
                return
            if error is not None:
                raise error
            yield item  # type: ignore[misc]
    finally:
        stopped = True
        with contextlib.suppress(queue.Empty):  # the thread may be waiting for room
            while True:
                ready.get_nowait()
        with drawing:
            pass
