"""Pieces of HTML. Every text is escaped here, and nowhere else."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any


def escape(text: object) -> str:
    """Text for an element or an attribute."""
    return html.escape(str(text))


def paragraph(text: str, kind: str = "") -> str:
    """A paragraph."""
    return f"<p{_class(kind)}>{escape(text)}</p>"


def code(line: str) -> str:
    """A line for a shell."""
    return f'<pre class="command"><code>{escape(line)}</code></pre>'


def section(name: str, title: str, *parts: str) -> str:
    """A part of the page with a heading."""
    body = "\n".join(part for part in parts if part)
    return (
        f'<section aria-labelledby="{escape(name)}">\n<h2 id="{escape(name)}">{escape(title)}</h2>'
        f"\n{body}\n</section>"
    )


def facts(pairs: Iterable[tuple[str, str, str]]) -> str:
    """Names and values, and a note to each."""
    shown = "\n".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}"
        f"{f'<small>{escape(note)}</small>' if note else ''}</dd></div>"
        for name, value, note in pairs
    )
    return f'<dl class="facts">\n{shown}\n</dl>'


def table(
    caption: str,
    heads: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    texts: int = 1,
    key: str | None = None,
) -> str:
    """A table whose first column has the heads of the rows; after `texts` columns come numbers.
    `key` says which choice of a figure it belongs to."""

    def kind(column: int) -> str:
        return _class("" if column < texts else "number")

    head = "".join(f'<th scope="col"{kind(n)}>{escape(one)}</th>' for n, one in enumerate(heads))
    body = "\n".join(
        "<tr>"
        + "".join(
            f'<th scope="row"{kind(n)}>{escape(cell)}</th>'
            if n == 0
            else f"<td{kind(n)}>{escape(cell)}</td>"
            for n, cell in enumerate(row)
        )
        + "</tr>"
        for row in rows
    )
    of = "" if key is None else f' data-key="{escape(key)}"'
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{escape(caption)}"{of}>\n'
        f"<table>\n<caption>{escape(caption)}</caption>\n<thead><tr>{head}</tr></thead>\n"
        f"<tbody>\n{body}\n</tbody>\n</table>\n</div>"
    )


@dataclass(frozen=True)
class Choice:
    """What a reader may choose in a figure: a label, and key -> name of each choice."""

    label: str
    options: dict[str, str]


def figure(
    name: str,
    label: str,
    picture: str,
    tables: Sequence[str],
    choices: Sequence[Choice] = (),
    *,
    is_wide: bool = False,
) -> str:
    """A chart and its tables, which lie below it if they are wide. `picture` is SVG, which stands
    where no script runs."""
    shown = "\n".join(
        f"<label{'' if len(choice.options) > 1 else ' hidden'}>{escape(choice.label)}"
        ' <select autocomplete="off">'
        + "".join(
            f'<option value="{escape(key)}">{escape(text)}</option>'
            for key, text in choice.options.items()
        )
        + "</select></label>"
        for choice in choices
    )
    controls = f'<div class="choices" hidden>\n{shown}\n</div>\n' if choices else ""
    kind = _class("wide" if is_wide else "")
    return (
        f'<figure{kind} data-chart="{escape(name)}">\n{controls}<div class="beside">\n'
        f'<div class="chart" role="img" aria-label="{escape(label)}">{picture}</div>\n'
        '<div class="tables">\n' + "\n".join(tables) + "\n</div>\n</div>\n</figure>"
    )


def script_data(name: str, value: Any) -> str:
    """Data for scripts. No text in it can end the element."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    return f'<script type="application/json" id="{escape(name)}">{text}</script>'


def script(text: str) -> str:
    """A script. In its strings, which alone may have such text, a backslash changes nothing."""
    safe = text.replace("</script", "<\\/script").replace("<!--", "<\\!--")
    return f"<script>\n{safe}\n</script>"


def _class(kind: str) -> str:
    return f' class="{kind}"' if kind else ""
