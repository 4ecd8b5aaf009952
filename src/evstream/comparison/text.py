"""A comparison for people: as text, and as tables of HTML.

Totals come first, then what is missing, the largest changes, and single values last. Streams that
are equal are one line.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from evstream._support import html
from evstream._support.words import counted

_MISSING = {"event", "item"}


def text_of(report: Any) -> str:
    """The report in lines."""
    if report.equal:
        return equal_line(report)
    return "\n".join(_lines(report))


def equal_line(report: Any) -> str:
    """Streams without a difference beyond the tolerance."""
    counts = report.counts
    parts = [f"equal: {report.a} and {report.b}"]
    for level in ("event", "item", "record"):
        parts.append(counted(counts[level].compared, level))
    if report.max_absolute:
        parts.append(_extent(report))
    return ", ".join(parts) + "".join(f"; {note}" for note in report.notes)


def _lines(report: Any) -> Iterator[str]:
    yield f"A {report.a}"
    yield f"B {report.b}"
    if report.totals:
        yield ""
        yield from aligned(_totals(report))
    if report.missing:
        yield ""
        yield from map(line, report.missing)
        yield from _more(_number_missing(report), len(report.missing))
    elif missing := _number_missing(report):
        yield ""
        words = "missing event or item" if missing == 1 else "missing events and items"
        yield f"{missing:,} {words}"
    for changes in (report.event_changes, report.item_changes):
        if changes:
            yield ""
            yield from aligned(_changes(changes))
    others = [d for d in report.differences if d.kind not in _MISSING]
    if others or report.found > _number_missing(report):
        yield ""
        yield from map(line, others)
        yield from _more(report.found - _number_missing(report), len(others))
    yield ""
    yield from aligned(_counts(report))
    if report.max_absolute:
        yield _extent(report)
    yield from report.notes
    yield "different"


def _extent(report: Any) -> str:
    return f"values differ by up to {report.max_absolute:g}, relative {report.max_relative:.3g}"


def _number_missing(report: Any) -> int:
    counts = (report.counts[level] for level in _MISSING)
    return sum(int(one.only_in_a + one.only_in_b) for one in counts)


def _more(count: int, shown: int) -> Iterator[str]:
    """How many differences there are besides those that are shown."""
    if count > shown:
        words = "difference" if count == 1 else "differences"
        yield f"{count - shown:,} more" if shown else f"{count:,} {words}"


def line(difference: Any) -> str:
    """One difference: where, what, and both values."""
    d = difference
    where = ", ".join(f"{name} {value}" for name, value in d.ids.items()) or "stream header"
    if d.kind == "order":
        places = "" if d.a is None else f" (number {d.a} in A, {d.b} in B)"
        return f"{where}: {d.field} in another order{places}"
    if d.a is None or d.b is None:
        name, value = ("A", d.a) if d.b is None else ("B", d.b)
        return f"{where}: only in {name} ({d.field} {value!s})"
    return f"{where}: {d.field} {d.a!s} in A, {d.b!s} in B"


def _totals(report: Any) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [("", "A", "B", "difference", "relative")]
    for total in report.totals:
        label = named(total)
        rows.append((label, *_amounts(total.a, total.b, total.difference, total.relative)))
        if total.mean_a is not None and total.mean_b is not None:
            label, change = "  mean per record", total.mean_b - total.mean_a
            share = change / abs(total.mean_a) if total.mean_a else None
            rows.append((label, *_amounts(total.mean_a, total.mean_b, change, share)))
    return rows


def _changes(changes: Sequence[Any]) -> list[tuple[str, ...]]:
    rows = [(*changes[0].ids, "change of", "A", "B", "difference", "relative")]
    for change in changes:
        amounts = _amounts(change.a, change.b, change.difference, change.relative)
        rows.append((*map(str, change.ids.values()), named(change), *amounts))
    return rows


def _counts(report: Any) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [
        ("", "compared", "differ", "only in A", "only in B", "reordered")
    ]
    for level, counts in report.counts.items():
        if level != "header":
            rows.append((f"{level}s", *(f"{n:,}" for n in asdict(counts).values())))
    return rows


def named(total: Any) -> str:
    """What is summed, e.g. "loss of samples"."""
    return f"{total.name} of {total.kind}" if total.kind else str(total.name)


def _amounts(a: float, b: float, difference: float, relative: float | None) -> tuple[str, ...]:
    share = "" if relative is None else f"{relative:.3g}"
    return number(a), number(b), number(difference), share


def number(value: float) -> str:
    """A count as it is, a sum with the digits that people read."""
    if isinstance(value, int):
        return f"{value:,}"
    if not math.isfinite(value) or 0 < abs(value) < 1e-3:
        return f"{value:.6g}"
    decimals = max(0, 7 - len(f"{abs(value):.0f}"))
    text = f"{value:,.{decimals}f}"
    return text.rstrip("0").rstrip(".") if decimals else text


def aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Rows as columns: numbers to the right, names to the left."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    is_name = [not _is_number(rows[-1][n]) for n in range(len(widths))]
    for row in rows:
        cells = [
            cell.ljust(width) if left else cell.rjust(width)
            for cell, width, left in zip(row, widths, is_name, strict=True)
        ]
        yield "  ".join(cells).rstrip()


def _is_number(text: str) -> bool:
    return not text or text[0] in "0123456789-+" or text in {"nan", "inf"}


def page_of(report: Any) -> str:
    """A page of its own."""
    title = f"{report.a} and {report.b}"
    return html.page(title, "\n".join(_tables(report)))


def fragment_of(report: Any) -> str:
    """The tables for a notebook."""
    return html.fragment(*_tables(report))


def _tables(report: Any) -> Iterator[str]:
    if report.equal:
        yield html.facts(equal_line(report), [("A", report.a), ("B", report.b)])
        return
    notes = [("note", note) for note in report.notes]
    extent = [("values", _extent(report))] if report.max_absolute else []
    yield html.facts("different", [("A", report.a), ("B", report.b), *extent, *notes])
    if report.totals:
        yield _table("totals", _totals(report))
    if report.missing:
        more = _number_missing(report) - len(report.missing)
        rows = [(line(one),) for one in report.missing]
        yield html.table("missing events and items", ["place"], rows, left_out=more)
    for word, changes in (("event", report.event_changes), ("item", report.item_changes)):
        if changes:
            yield _table(f"largest changes per {word}", _changes(changes))
    others = [(line(d),) for d in report.differences if d.kind not in _MISSING]
    more = report.found - _number_missing(report) - len(others)
    if others or more:
        yield html.table("differences", ["place"], others, left_out=more)
    yield _table("counts", _counts(report))


def _table(caption: str, rows: Sequence[Sequence[str]]) -> str:
    head, *body = rows
    return html.table(caption, head, [[html.Shown(cell) for cell in row] for row in body])
