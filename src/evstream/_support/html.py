"""Tables of HTML, for notebooks and for reports that are one file: small, escaped, without scripts,
and readable on a dark page too."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

import numpy as np

ROWS = 10
"""Rows of a table that is shown in a notebook."""

_LONGEST = 200

STYLE = """\
.evstream {border-collapse: collapse; font: 13px/1.5 ui-monospace, monospace; margin: .5em 0}
.evstream caption {text-align: left; font-weight: bold; padding: .5em 0; caption-side: top}
.evstream th, .evstream td {padding: 0 .7em; text-align: left; vertical-align: top}
.evstream thead th {border-bottom: 1px solid #8888}
.evstream .number {text-align: right; font-variant-numeric: tabular-nums}
.evstream .more td, .evstream .doc {opacity: .7}
.evstream .problem td {color: #b00020; font-weight: bold}
@media (prefers-color-scheme: dark) {.evstream .problem td {color: #ff8a80}}
"""


def page(title: str, body: str, style: str = "") -> str:
    """A whole page, which needs no other file."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width">\n'
        f'<meta name="color-scheme" content="light dark">\n<title>{escape(title)}</title>\n'
        f"<style>\n{STYLE}{style}</style>\n</head>\n<body>\n{body}\n</body>\n</html>"
    )


def fragment(*tables: str) -> str:
    """Tables with their style, for a notebook."""
    return "\n".join((f"<style>\n{STYLE}</style>", *tables))


def table(
    caption: str, heads: Sequence[str], rows: Iterable[Sequence[Any]], *, left_out: int = 0
) -> str:
    """A table. Numbers stand to the right; a last row says how many rows are left out."""
    titles = "".join(f'<th scope="col">{escape(head)}</th>' for head in heads)
    lines = ["<tr>" + "".join(map(_cell, row)) + "</tr>" for row in rows]
    if left_out:
        lines.append(f'<tr class="more"><td colspan="{len(heads)}">{left_out:,} more</td></tr>')
    body = "\n".join(lines)
    return (
        f'<table class="evstream">\n<caption>{text(caption)}</caption>\n'
        f"<thead><tr>{titles}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>"
    )


def facts(caption: str, named: Iterable[tuple[str, Any]]) -> str:
    """A table of names and values."""
    lines = [f'<tr><th scope="row">{escape(name)}</th>{_cell(value)}</tr>' for name, value in named]
    body = "\n".join(lines)
    return (
        f'<table class="evstream">\n<caption>{text(caption)}</caption>\n'
        f"<tbody>\n{body}\n</tbody>\n</table>"
    )


def text(value: Any) -> str:
    """A value as escaped text of bounded length."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "backslashreplace")
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool):
        return str(value)
    shown = str(value).encode("utf-8", "backslashreplace").decode()
    return escape(shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]}...")


class Shown(str):
    """A cell that may be the text of a number."""

    __slots__ = ()


def _cell(value: Any) -> str:
    is_number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    if isinstance(value, Shown):
        is_number = value[:1].isdecimal() or value[:1] == "-" or value in {"nan", "inf"}
    return f'<td class="number">{text(value)}</td>' if is_number else f"<td>{text(value)}</td>"
