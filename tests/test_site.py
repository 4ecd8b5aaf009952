"""The check of the built site reports links that lead nowhere and words that nothing finds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from check_site import SEARCHED, problems


def site(folder: Path, body: str, words: tuple[str, ...] = SEARCHED) -> Path:
    (folder / "start").mkdir()
    (folder / "index.html").write_text("<h1 id='top'>Title</h1>")
    (folder / "start" / "a.html").write_text(f"<h2 id='here'>Part</h2>{body}")
    index = {"terms": dict.fromkeys(words, 0), "titleterms": {}}
    (folder / "searchindex.js").write_text(f"Search.setIndex({json.dumps(index)})")
    return folder


@pytest.mark.parametrize(
    ("link", "problem"),
    [
        ("../index.html", None),
        ("../index.html#top", None),
        ("#here", None),
        ("https://example.org/absent", None),
        ("index.html", "no file for the link index.html"),
        ("../index.html#bottom", "no such heading: ../index.html#bottom"),
        ("#there", "no such heading: #there"),
    ],
)
def test_links_lead_to_pages_and_headings(tmp_path: Path, link: str, problem: str | None) -> None:
    found = list(problems(site(tmp_path, f'<a href="{link}">x</a>')))
    assert found == ([f"start/a.html: {problem}"] if problem else [])


def test_the_search_finds_what_users_look_for(tmp_path: Path) -> None:
    words = tuple(word for word in SEARCHED if word != "gulcalc")
    assert list(problems(site(tmp_path, "", words))) == [
        "searchindex.js: a search for gulcalc finds no page"
    ]
