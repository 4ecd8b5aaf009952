"""`evstream.map_parts`: a function over parts, by several threads, with results in order.

Kernels, numpy and reads of files release the GIL, so threads are enough, and nothing is copied
between them. Only a few parts are ahead of the one whose result is taken next: what they hold is
bounded by the consumer, not by the number of parts.
"""

from __future__ import annotations

import math
import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from evstream._support.arguments import function as checked_function
from evstream._support.arguments import whole_number
from evstream._support.format import Format
from evstream.errors import EvstreamError
from evstream.partition.part import Part
from evstream.partition.parts import Parts
from evstream.partition.parts import parts as plan_parts
from evstream.transport import watching
from evstream.transport.endpoints import SourcesLike

A = TypeVar("A")
B = TypeVar("B")

AHEAD = 2
"""Parts in work or waiting to be taken, per thread."""


def map_parts(
    function: Callable[[Part], B],
    parts: SourcesLike | Iterable[Part],
    *,
    threads: int | None = None,
    format: Format | None = None,
) -> Iterator[B]:
    """The results of `function` for each part, in order; several at a time.

    Args:
        function: takes a Part, and is called in several threads at once. What it reads by evstream
            runs at the same time; Python code of its own does not.
        parts: Parts, or some of them; or what evstream.parts takes, at its default size.
        threads: how many; None for the number of cores that this process may use.
        format: as for evstream.open, where files are named.

    The iterator raises what the function raised, when it comes to that part; an error of evstream
    names file and byte, another one gets a note with the part. It starts no other part after that,
    nor when the caller stops to iterate.

    Raises:
        ValueError: `threads` is below 1.
        The errors of evstream.parts.
    """
    number = threads_of(threads)
    checked_function("function", function)
    planned: Iterable[Any]
    if isinstance(parts, (str, os.PathLike)) or _are_files(parts):
        planned = plan_parts(parts, format=format)  # type: ignore[arg-type]
    else:
        planned = parts  # type: ignore[assignment]
    results = in_order(lambda part: _placed(function, part), planned, number)
    return watching.each_together(results, planned if isinstance(planned, Sequence) else [])


def _are_files(parts: Any) -> bool:
    """Whether a list is of files, and not of parts."""
    is_list = isinstance(parts, Sequence) and not isinstance(parts, Parts)
    return is_list and any(not isinstance(part, Part) for part in parts)


def threads_of(threads: int | None) -> int:
    """The number of threads to use. Raises ValueError or TypeError for one below 1."""
    return usable_cores() if threads is None else whole_number("threads", threads, 1)


def usable_cores() -> int:
    """The cores that this process may use: those that it may run on, as far as a container's quota
    of time allows."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity is not None else os.cpu_count() or 1
    try:
        with open("/sys/fs/cgroup/cpu.max") as file:
            quota, period = file.read().split()
        return max(1, min(cores, math.ceil(int(quota) / int(period))))
    except (OSError, ValueError):  # no cgroup, or "max"
        return cores


def in_order(
    function: Callable[[A], B],
    items: Iterable[A],
    threads: int,
    stop: Callable[[], None] = lambda: None,
) -> Iterator[B]:
    """function(item) of each item, in order, by so many threads; in this one if it is one.

    `stop` is called at the end, whatever ends it: it makes functions that take long give up.
    """
    return map(function, items) if threads == 1 else _threaded(function, items, threads, stop)


def _threaded(
    function: Callable[[A], B], items: Iterable[A], threads: int, stop: Callable[[], None]
) -> Generator[B]:
    waiting: deque[Future[B]] = deque()
    pool = ThreadPoolExecutor(threads, "evstream")
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) >= AHEAD * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:  # wait for what runs, so that no thread outlives what it works on
        stop()
        pool.shutdown(wait=True, cancel_futures=True)


def _placed(function: Callable[[Any], B], part: Any) -> B:
    try:
        return function(part)
    except Exception as error:
        if not isinstance(error, EvstreamError) and hasattr(error, "add_note"):
            error.add_note(f"in {part!r}")
        raise
