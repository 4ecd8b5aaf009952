"""Lines of a stream as text: a column each for offset, bytes, record, field, value and meaning."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from evstream.explaining.records import Gap, Line

WIDEST = 8
"""Bytes of a field that are shown."""

_STYLES = {"offset": "2", "record": "36", "value": "1", "doc": "2", "error": "31", "warning": "33"}


def page(title: str, lines: Sequence[Line | Gap], color: bool) -> str:
    """All lines; `color` adds the codes of terminals."""
    rows = [("byte", "bytes", "record", "field", "value", "")]
    rows += [_cells(one, doc) for one, doc in with_news(lines)]
    sizes = [max(len(row[column]) for row in rows) for column in range(5)]

    def paint(style: str, text: str) -> str:
        return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if color and text.strip() else text

    printed = [title]
    for row, one in zip(rows, [None, *lines], strict=True):
        offset, data, record, name, value = (
            cell.rjust(size) if column in (0, 4) else cell.ljust(size)
            for column, (cell, size) in enumerate(zip(row, sizes))  # noqa: B905 (rows have 6)
        )
        cells = [
            paint("offset", offset), data, paint("record", record), name, paint("value", value),
            paint("doc", row[5]),
        ]  # fmt: skip
        printed.append("  ".join(cells).rstrip())
        for problem in one.problems if isinstance(one, Line) else ():
            style = "error" if problem.startswith("error") else "warning"
            printed.append(" " * (sizes[0] + 2) + paint(style, f"^ {problem}"))
    return "\n".join(printed)


def with_news(lines: Sequence[Line | Gap]) -> Iterator[tuple[Line | Gap, str]]:
    """Each line with what its value means, or its field where that comes first."""
    seen: set[tuple[str, str]] = set()
    for one in lines:
        if isinstance(one, Gap):
            yield one, ""
            continue
        key = one.record, one.field
        yield one, one.meaning or ("" if key in seen else one.doc)
        seen.add(key)


def _cells(one: Line | Gap, doc: str) -> tuple[str, str, str, str, str, str]:
    if isinstance(one, Gap):
        return str(one.offset), "...", one.text, "", "", f"{one.size:,} bytes"
    data = one.data[:WIDEST].hex(" ") + (" ..." if len(one.data) > WIDEST else "")
    return str(one.offset), data, one.record if one.begins else "", one.field, one.text, doc
