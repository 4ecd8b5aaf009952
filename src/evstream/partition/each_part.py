"""A function over all parts of any sources, whose results merge: the plan of `aggregate` and of
the result tables."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

from evstream._support.format import Format
from evstream.indexing.files import find_index
from evstream.partition.part import Part, refuse_other_parts
from evstream.partition.parts import SIZE, Parts
from evstream.partition.parts import parts as plan_parts
from evstream.partition.threads import in_order, threads_of
from evstream.reading.dataset import is_several
from evstream.reading.ids import Ids
from evstream.reading.section import Sectioned
from evstream.transport.endpoints import SourcesLike
from evstream.transport.range_file import is_url

P = TypeVar("P")


def each_part(
    work: Callable[..., P],
    sources: SourcesLike,
    *,
    threads: int | None,
    events: Ids = None,
    stream: str | None = None,
    widths: Mapping[str, str] | None = None,
    timeout: float | None = None,
    format: Format | None = None,
    local_size: int | str = SIZE,
) -> Iterator[P]:
    """work(part, stream=..., widths=..., timeout=...) of each part of the sources, in order, by so
    many threads. What can be read only once, or has an index that shows where the events are, is
    one part. There is at least one. Parts have the default size, those of local files `local_size`
    bytes; that does not depend on `threads`, and so nor do sums.

    Raises the errors of evstream.parts.
    """
    if not isinstance(sources, Parts) and _is_one(sources, events, format):
        yield work(sources, stream=stream, widths=widths, timeout=timeout)
        return
    planned: Any = sources
    if not _are_parts(sources):
        listed: Any = sources if isinstance(sources, (list, tuple)) else [sources]
        size = SIZE if any(map(is_url, listed)) else local_size
        planned = plan_parts(sources, size, stream=stream, widths=widths, format=format)
        stream = widths = None  # the parts have them
    else:
        planned = _with_planned(sources, stream, widths, format)
        refuse_other_parts([part for part in planned if isinstance(part, Part)])
    parts: Iterable[Any] = planned
    yield from in_order(
        lambda part: work(part, stream=stream, widths=widths, timeout=None),
        parts,
        threads_of(threads),
    )


def joined(
    parts: Iterator[tuple[str, P]], join: Callable[[P, str, P], object]
) -> tuple[str, int, P]:
    """Join what was found in parts, each with the name of its file, in their order: join(first,
    name, next). The name of the first file, the number of files, and what the first part became."""
    name, whole = next(parts)
    names = {name}
    for other, more in parts:
        names.add(other)
        join(whole, other, more)
    return name, len(names), whole


def _with_planned(
    sources: Any,
    stream: str | None,
    widths: Mapping[str, str] | None,
    format: Format | None,
) -> list[Any]:
    """The parts of a list, with those of the files that it also has."""
    found: list[Any] = []
    for one in sources:
        if isinstance(one, (str, os.PathLike)) and one != "-":
            found += plan_parts(one, stream=stream, widths=widths, format=format)
        else:
            found.append(one)
    return found


def _are_parts(sources: Any) -> bool:
    """Whether each item of a source is to be read as it is."""
    is_list = isinstance(sources, (list, tuple))
    return isinstance(sources, Parts) or (
        is_list and any(isinstance(s, Sectioned) for s in sources)
    )


def _is_one(sources: Any, events: Ids, format: Format | None) -> bool:
    """Whether a source is read as it is: no file, or one whose index shows where the events are."""
    if is_several(sources):
        return False
    if not isinstance(sources, (str, os.PathLike)) or sources == "-":
        return True
    return events is not None and find_index(sources, None, format) is not None
