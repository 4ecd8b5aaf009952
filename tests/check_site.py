"""Check the built site: each link within it leads to a page and a heading that exist, and the words
that users search for are found.

    python tests/check_site.py build/site

Links to other sites are not followed.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import snowballstemmer  # of Sphinx, which stems the words of its index

SEARCHED = (
    "aalcalc", "aep", "bintocsv", "cdf", "csv", "delimiter", "duckdb", "eltcalc", "eve",
    "exceedance", "fifo", "fmcalc", "fmpy", "footprint", "getmodel", "gulcalc", "gulmc", "gulpy",
    "ktools", "leccalc", "oep", "ord", "pandas", "parquet", "polars", "sidx", "summarycalc", "tvar",
)  # fmt: skip
"""What users of the format look for, under the names of the tools that they know."""


class Page(HTMLParser):
    """The links of a page and the anchors that links may name."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.anchors |= {found[key] or "" for key in ("id", "name") if key in found}
        self.links += [found[key] or "" for key in ("href", "src") if key in found]


def problems(site: Path) -> Iterator[str]:
    """What is wrong in a site, one line each."""
    pages = {
        path: Page(path.read_text())
        for path in sorted(site.rglob("*.html"))
        if "_static" not in path.parts
    }
    for path, page in pages.items():
        for link in sorted(set(page.links)):
            if problem := broken(path, link, pages):
                yield f"{path.relative_to(site)}: {problem} {link}"
    terms, stem = searched_terms(site), snowballstemmer.stemmer("english").stemWord
    for word in SEARCHED:
        if not {word, stem(word)} & terms:
            yield f"searchindex.js: a search for {word} finds no page"


def broken(path: Path, link: str, pages: dict[Path, Page]) -> str:
    """What is wrong with a link of a page; empty if it is fine or leads to another site."""
    url = urlsplit(link)
    if url.scheme or url.netloc:
        return ""
    target = (path.parent / unquote(url.path)).resolve() if url.path else path
    if not target.is_file():
        return "no file for the link"
    if url.fragment and target in pages and unquote(url.fragment) not in pages[target].anchors:
        return "no such heading:"
    return ""


def searched_terms(site: Path) -> set[str]:
    """The words that the search of the site knows, in titles and texts."""
    text = (site / "searchindex.js").read_text()
    index = json.loads(re.sub(r"^Search\.setIndex\((.*)\);?\s*$", r"\1", text, flags=re.DOTALL))
    return {*index["terms"], *index["titleterms"]}


def main() -> int:
    site = Path(sys.argv[1]).resolve()
    found = list(problems(site))
    print(*found, sep="\n", end="\n" if found else "")
    print(f"the site in {site.name}/: {len(found)} problems")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
