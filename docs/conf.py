"""The site of the documentation: `make docs`."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "src"))

import evstream  # noqa: E402

project = "evstream"
author = "the evstream developers"
version = release = evstream.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_argparse_cli",
    "sphinx_copybutton",
    "sphinx_design",
]
exclude_patterns = ["kaitai"]
suppress_warnings = ["ref.python"]  # two classes have an attribute of one name
default_role = "code"

highlight_language = "none"  # of blocks that name none

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 4

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
napoleon_google_docstring = True
napoleon_use_ivar = True
napoleon_use_rtype = False

html_theme = "pydata_sphinx_theme"
html_title = f"evstream {version}"
html_show_sourcelink = False
html_theme_options = {
    "navigation_with_keys": True,
    "show_toc_level": 2,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}
copyright = "the evstream developers, BSD 3-Clause licence"
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

PAGES = {
    "architecture": "ARCHITECTURE.md",
    "contributing": "CONTRIBUTING.md",
    "changelog": "CHANGELOG.md",
    "spec-language": "spec/README.md",
}
"""Page -> the file of the repository whose text it shows."""


def setup(app: Any) -> None:
    app.connect("source-read", _read)
    app.connect("autodoc-process-docstring", _plain_text, priority=400)  # before napoleon


def _read(app: Any, page: str, source: list[str]) -> None:
    """Take the text of files outside this folder, and let links between files lead to pages."""
    path = ROOT / "docs" / f"{page}.md"
    if page in PAGES:
        path = ROOT / PAGES[page]
        source[0] = path.read_text()
    source[0] = re.sub(
        r"(?<!!)\[((?:[^\]\[]|\[[^\]]*\])*)\]\(([^)#\s:]+)(#[^)\s]*)?\)",
        lambda found: _link(page, path, found[1], found[2], found[3] or ""),
        source[0],
    )


def _link(page: str, path: Path, text: str, target: str, heading: str) -> str:
    """A link to a page where there is one; else the text alone."""
    file = (path.parent / target).resolve()
    names = {(ROOT / name).resolve(): shown for shown, name in PAGES.items()}
    names |= {found: str(found.relative_to(ROOT / "docs"))[:-3] for found in _documents()}
    if file not in names:
        return text
    up = "../" * page.count("/")
    return f"[{text}]({up}{names[file]}.md{heading})"


def _documents() -> list[Path]:
    return [path for path in (ROOT / "docs").rglob("*.md") if path.stem not in PAGES]


SECTIONS = {"Args:", "Attributes:", "Raises:", "Returns:", "Yields:"}


def _plain_text(app: Any, what: str, name: str, value: Any, options: Any, lines: list[str]) -> None:
    """Docstrings are plain text with code in backticks: an indented paragraph after a colon is
    shown as it is, and stars and bars are characters."""
    shown: list[str] = []
    literal: int | None = None
    for line, following in zip(lines, [*lines[1:], ""]):  # noqa: B905 (an empty list too)
        indent = len(line) - len(line.lstrip())
        if literal is not None and line.strip() and indent <= literal:
            literal = None
        if literal is None:
            parts = line.split("`")
            parts[::2] = [re.sub(r"([*|])", r"\\\1", part) for part in parts[::2]]
            text = "`".join(parts)
            begins = text.endswith(":") and text.strip() not in SECTIONS and not following.strip()
            if begins:
                literal, text = indent, f"{text}:"
            shown.append(text)
        else:
            shown.append(line)
    lines[:] = shown
