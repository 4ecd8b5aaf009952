"""Lines of a stream as a table in HTML that needs no other file and follows dark mode."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from evstream._support import html
from evstream.explaining.records import Gap, Line
from evstream.explaining.text import with_news

_STYLE = """\
.evstream .begins td {border-top: 1px solid #8884}
.evstream .gap td, .evstream .offset {opacity: .7}
"""


def page(title: str, lines: Sequence[Line | Gap]) -> str:
    """A whole page."""
    return html.page(title, _table(title, lines), _STYLE)


def table(title: str, lines: Sequence[Line | Gap]) -> str:
    """The table with its style."""
    return html.fragment(f"<style>\n{_STYLE}</style>", _table(title, lines))


def _table(title: str, lines: Sequence[Line | Gap]) -> str:
    heads = "".join(
        f'<th scope="col">{name}</th>'
        for name in ("byte", "bytes", "record", "field", "value", "meaning")
    )
    rows = "\n".join(row for one, doc in with_news(lines) for row in _rows(one, doc))
    return (
        f'<table class="evstream">\n'
        f"<caption>{escape(title)}</caption>\n<thead><tr>{heads}</tr></thead>\n"
        f"<tbody>\n{rows}\n</tbody>\n</table>"
    )


def _rows(one: Line | Gap, doc: str) -> list[str]:
    if isinstance(one, Gap):
        cells = ("...", one.text, "", "", f"{one.size:,} bytes")
        return [_row("gap", one.offset, cells)]
    cells = (one.data.hex(" "), one.record if one.begins else "", one.field, one.text, doc)
    rows = [_row("begins" if one.begins else "field", one.offset, cells)] if one.data else []
    for problem in one.problems:
        rows.append(
            f'<tr class="problem"><td class="number">{one.offset}</td>'
            f'<td colspan="5">{escape(problem)}</td></tr>'
        )
    return rows


def _row(kind: str, offset: int, cells: tuple[str, str, str, str, str]) -> str:
    data, record, field, value, doc = map(escape, cells)
    return (
        f'<tr class="{kind}"><td class="number offset">{offset}</td><td>{data}</td>'
        f'<td>{record}</td><td>{field}</td><td class="number">{value}</td>'
        f'<td class="doc">{doc}</td></tr>'
    )
