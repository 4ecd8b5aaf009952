"""A whole page: one HTML file with all that it needs, which asks no network for anything."""

from __future__ import annotations

import importlib.resources
from collections.abc import Iterable, Sequence

from evstream.reporting.markup import escape, paragraph, script, script_data
from evstream.reporting.sections import Section
from evstream.reporting.vega import runtime

_POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:"
"""What a browser may load: nothing from elsewhere."""


def page(
    title: str,
    subtitle: str,
    state: tuple[str, str],
    headline: str,
    sections: Sequence[Section],
    others: Iterable[str],
    footer: str,
) -> str:
    """The page; `state` is a sentence and its kind: good, warn or bad."""
    charts = {name: chart for one in sections for name, chart in one.charts.items()}
    body = "\n".join([*(one.html for one in sections if one.html), *filter(None, others)])
    scripts = ""
    if charts:
        scripts = (
            '<div id="tip" hidden></div>\n'
            f"{script_data('charts', charts)}\n{script(runtime())}\n{script(_own('page.js'))}\n"
        )
    text, kind = state
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(_POLICY)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        '<link rel="icon" href="data:,">\n'
        f"<title>{escape(title)}</title>\n<style>\n{_own('page.css')}</style>\n</head>\n<body>\n"
        f"<header>\n<h1>{escape(title)}</h1>\n{paragraph(subtitle, 'quiet')}\n"
        f"{paragraph(text, f'state {kind}')}\n{headline}\n</header>\n"
        f"<main>\n{body}\n</main>\n<footer>\n{paragraph(footer)}\n</footer>\n{scripts}"
        "</body>\n</html>\n"
    )


def _own(name: str) -> str:
    """The text of a file of this package."""
    return (importlib.resources.files(__package__) / name).read_text(encoding="utf-8")
