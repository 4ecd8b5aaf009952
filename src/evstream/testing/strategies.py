"""Hypothesis strategies of streams. Install `evstream[testing]`.

from hypothesis import given
from evstream.testing.strategies import streams

@given(streams("loss"))
def test_totals(data):
    with data.open() as stream:
        ...
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from evstream._support.format import Format, chosen_format
from evstream.extras import import_extra
from evstream.testing.breaking import BrokenStream, broken_versions
from evstream.testing.making import header_for, made_of
from evstream.testing.rows import event_values
from evstream.testing.stream_bytes import StreamBytes
from evstream.wire.event import Event
from evstream.wire.header import StreamHeader

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

import_extra("hypothesis")
_st: Any = import_extra("hypothesis.strategies")


class _Drawn:
    """Choices by Hypothesis; see rows.Choice."""

    def __init__(self, draw: Any) -> None:
        self._draw = draw

    def integer(self, low: int, high: int) -> int:
        return int(self._draw(_st.integers(low, high)))

    def number(self, low: float, high: float, size: int) -> float:
        return float(self._draw(_st.floats(low, high, width=8 * size)))

    def some(self, values: Sequence[int]) -> list[int]:
        return [value for value in values if self._draw(_st.booleans())]


_read: set[tuple[str, ...]] = set()
"""What was read once already: loading its kernels must not count as time of a test, for which
Hypothesis has a deadline."""


def headers(
    stream: str | None = None,
    *,
    widths: Mapping[str, str] | None = None,
    any_widths: bool = False,
    format: Format | None = None,
    max_samples: int = 4,
) -> SearchStrategy[StreamHeader]:
    """Stream headers of any type, or of one.

    Args:
        stream: the type; None for any.
        widths: scalar type -> width, as for evstream.open.
        any_widths: draw the widths that are not given. The first stream of each width is slow, as
            its kernels are compiled.
        format: the format; that of the Oasis streams by default.
        max_samples: of the number of samples.
    """
    known = chosen_format(format)
    names = list(known.streams) if stream is None else [known.stream(stream).name]

    @_st.composite  # type: ignore[untyped-decorator]
    def made(draw: Any) -> StreamHeader:
        chosen = {}
        if any_widths:
            scalars = known.scalars.items()
            chosen = {name: draw(_st.sampled_from(scalar.widths)) for name, scalar in scalars}
        return header_for(
            draw(_st.sampled_from(names)), draw(_st.integers(0, max_samples)),
            widths={**chosen, **(widths or {})}, format=known,
        )  # fmt: skip

    return made()  # type: ignore[no-any-return]


def streams(
    stream: str | None = None,
    *,
    widths: Mapping[str, str] | None = None,
    any_widths: bool = False,
    format: Format | None = None,
    min_events: int = 0,
    max_events: int = 4,
    max_items: int = 3,
    max_samples: int = 4,
) -> SearchStrategy[StreamBytes]:
    """Whole streams that keep to every rule, as StreamBytes.

    Args:
        stream, widths, any_widths, format: as for `headers`.
        min_events, max_events: of the number of events.
        max_items, max_samples: of the numbers of items of an event, and of samples.
    """

    how: dict[str, Any] = {"widths": widths, "any_widths": any_widths, "format": format}

    @_st.composite  # type: ignore[untyped-decorator]
    def made(draw: Any) -> StreamBytes:
        header = draw(headers(stream, **how, max_samples=max_samples))
        events = event_values(header, draw(_st.integers(min_events, max_events)))
        items = range(1, 1 + draw(_st.integers(1, max_items)))
        data = made_of(header, _Drawn(draw), events, items)
        used = header.format.name, header.stream, *header.used_widths.values()
        if used not in _read:
            _read.add(used)
            data.events()
        return data

    return made()  # type: ignore[no-any-return]


def events(stream: str | None = None, **options: Any) -> SearchStrategy[Event]:
    """One event of a stream; arguments as for `streams`."""
    one = streams(stream, **{**options, "min_events": 1, "max_events": 1})
    found: SearchStrategy[Event] = one.map(lambda data: data.events()[0])
    return found


def broken_streams(stream: str | None = None, **options: Any) -> SearchStrategy[BrokenStream]:
    """Streams that are cut or damaged, with the error that reading them must raise; arguments as
    for `streams`."""
    whole = streams(stream, **{"min_events": 1, **options})
    versions = whole.map(broken_versions).filter(bool)
    found: SearchStrategy[BrokenStream] = versions.flatmap(_st.sampled_from)
    return found
