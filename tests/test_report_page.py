"""A report is one page that shows its numbers to all readers, in any browser, and runs no text."""

from __future__ import annotations

import io
import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import evstream
from browser import CHROMIUM, Page, chromium
from chart_engine import ChartEngine
from evstream.reporting import markup
from evstream.reporting.text import amount, bytes_of, edge, percent, short, years
from oracle import encode
from result_cases import OCCURRENCES, made_blocks, occurrence_file, stream_of
from support import run_main

BLOCKS = [(ids, [(s, abs(loss)) for s, loss in entries]) for ids, entries in made_blocks()]
HOSTILE = "<script>alert('x')</script>&\"<b>"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "summary.bin").write_bytes(stream_of(BLOCKS))
    occurrence_file(tmp_path, [*OCCURRENCES, (6, 4), (9, 6)])
    return tmp_path


@pytest.fixture
def no_charts(monkeypatch):
    """Drawing takes a second, and most of a page is not charts."""
    monkeypatch.setitem(sys.modules, "vl_convert", ChartEngine)
    monkeypatch.setattr("evstream.reporting.page.runtime", lambda: "// the library")


class Tables(HTMLParser):
    """Caption -> the rows of a table; and the tags, with their attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: dict[str, list[list[str]]] = {}
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._text, self._rows, self._caption = "", [], ""
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: Any) -> None:
        self.tags.append((tag, dict(attributes)))
        self._text = ""
        if tag == "table":
            self._rows: list[list[str]] = []
        elif tag == "tr":
            self._rows.append([])

    def handle_data(self, data: str) -> None:
        self._text += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "caption":
            self._caption = self._text
        elif tag in {"th", "td"}:
            self._rows[-1].append(self._text)
        elif tag == "table":
            self.found[self._caption] = self._rows


def page_of(folder: Path, **options: Any) -> str:
    options.setdefault("occurrence", folder / "occurrence.bin")
    return evstream.report(folder / "summary.bin", **options).to_html()


def test_tables_of_a_page_have_the_results(folder: Path, no_charts):
    found = Tables(page_of(folder, return_periods=[8, 4])).found
    path, occurrence = folder / "summary.bin", folder / "occurrence.bin"
    ept = evstream.ept(path, occurrence, return_periods=[8, 4])
    names = {1: "Analytical mean", 2: "Full uncertainty", 3: "Per sample mean", 4: "Sample mean"}
    for summary in (2, 3, 7):
        for calc, name in names.items():
            rows = found[f"{name}, summary {summary}: losses by return period"]
            assert rows[0] == ["Years", "OEP", "AEP", "OEP TVaR", "AEP TVaR"]
            for row, year in zip(rows[1:], (8, 4), strict=True):
                of = (ept["summary_id"] == summary) & (ept["ep_calc"] == calc)
                of &= ept["return_period"] == year
                losses = [float(ept["loss"][of & (ept["ep_type"] == t)][0]) for t in (1, 3, 2, 4)]
                assert row == [str(year), *map(amount, losses)]
    aal = evstream.aal(path, occurrence)
    rows = found["Average annual loss by summary"][1:-1]
    order = np.argsort(-aal["mean_loss"][3:])
    assert [row[:3] for row in rows] == [
        [str(aal["summary_id"][3 + n]), amount(float(aal["mean_loss"][3 + n])),
         amount(float(aal["sd_loss"][3 + n]))] for n in order
    ]  # fmt: skip
    alct = evstream.aal(path, occurrence, "alct")
    means = alct["mean_loss"][alct["summary_id"] == 7].tolist()
    rows = found["Average annual loss by number of samples, summary 7"]
    assert [row[:2] for row in rows[1:]] == [
        [name, amount(mean)] for name, mean in zip(["1", "2 to 3", "1 to 6"], means, strict=True)
    ]
    melt = evstream.elt(path)
    events, means = (melt[name][melt["sample_type"] == 2] for name in ("event_id", "mean_loss"))
    totals = {event: float(means[events == event].sum()) for event in set(events.tolist())}
    rows = found["Largest events by mean loss"][1:]
    assert [row[0] for row in rows] == [str(e) for e in sorted(totals, key=lambda e: -totals[e])]
    assert [row[1] for row in rows] == [amount(totals[int(row[0])]) for row in rows]


def test_each_chart_has_tables_and_words_for_a_screen_reader(folder: Path, no_charts):
    page = page_of(folder)
    tags = Tables(page).tags
    assert page.startswith('<!DOCTYPE html>\n<html lang="en">')
    charts = [number for number, (tag, _) in enumerate(tags) if tag == "figure"]
    assert len(charts) == 5
    for first, last in zip(charts, [*charts[1:], len(tags)], strict=True):
        inside = tags[first:last]
        pictures = [at for _, at in inside if at.get("role") == "img"]
        assert len(pictures) == 1
        assert pictures[0]["aria-label"]
        assert [tag for tag, _ in inside].count("caption") >= 1
        assert {"col", "row"} <= {at.get("scope") for tag, at in inside if tag == "th"}
    assert [tag for tag, _ in tags if re.fullmatch("h[1-6]", tag)] == ["h1", *["h2"] * 6]
    ids = [at["id"] for _, at in tags if at.get("id")]
    assert len(ids) == len(set(ids))
    named = [at["aria-labelledby"] for tag, at in tags if tag == "section"]
    assert set(named) <= set(ids)


def test_text_from_outside_is_never_markup(folder: Path, no_charts):
    name = folder / f"{HOSTILE.replace('/', '')}.bin"
    blocks = [((1, 1, 5.0), [(1, 2.0)]), ((2, 1, 5.0), [(2, 1.0), (1, 3.0)])]
    name.write_bytes(stream_of(blocks))
    found = evstream.report(
        name, occurrence=folder / "occurrence.bin", title=HOSTILE, unit=HOSTILE, date=HOSTILE
    )
    page = found.to_html()
    assert found.validation[0].counts
    assert "alert('x')" not in page.replace("\\u003c", "<").split("<main>")[0]
    tags = Tables(page).tags
    assert [tag for tag, _ in tags].count("script") == 3
    assert not {"b"} & {tag for tag, _ in tags}
    assert "<b>" not in page
    assert found._repr_html_().count("<iframe") == 1
    assert re.fullmatch(
        r'<iframe title="[^"<]*" srcdoc="[^"<]*"[^<]*></iframe>', found._repr_html_()
    )


def test_data_and_libraries_cannot_end_their_script():
    data = markup.script_data("x", {"</script>": "<!-- "})
    assert data.count("</script>") == 1
    assert "<!--" not in data
    assert markup.script('a = "</script><!--"').count("</script") == 1


def test_the_same_input_gives_the_same_page(folder: Path, no_charts):
    assert page_of(folder, threads=1) == page_of(folder, threads=2)
    assert "Made by evstream" in page_of(folder)
    assert "2026-11-26" in page_of(folder, date="2026-11-26")
    assert not re.search(r"\b20\d\d-\d\d-\d\d\b", page_of(folder))


def test_what_is_left_out_is_said_with_the_way_to_it(folder: Path, no_charts):
    page = page_of(folder, occurrence=None)
    assert "summary.bin --occurrence occurrence.bin -o report.html" in page
    assert "Exceedance curves</h2>" not in page
    assert "evstream ept" in page_of(folder, summaries=2)
    assert "evstream ept" not in page_of(folder, summaries=3)
    data = encode("cdf", {}, [((1, 2, 3), [(1.0, 0.5)])])
    page = evstream.report(io.BytesIO(data)).to_html()
    assert "A cdf stream has no losses by event and sample" in page
    assert "<figure" not in page
    assert "the library" not in page
    data = encode(
        "loss", {"len_sample": 6}, [((1, 5), [(3, 2.0)]), ((2, 5), []), ((1, 7), [(1, 2.0)])]
    )
    page = evstream.report(io.BytesIO(data)).to_html()
    assert "make a summary stream of it first" in " ".join(page.split())
    assert "The blocks of 1 event do not follow one another" in page
    assert "nan" not in page.partition("<body>")[2].lower().replace("finance", "")


def test_a_stream_without_samples_has_no_word_of_them(folder: Path, no_charts):
    alone = [(ids, [e for e in entries if e[0] < 0]) for ids, entries in BLOCKS]
    occurrence = folder / "occurrence.bin"
    page = evstream.report(io.BytesIO(stream_of(alone, 0)), occurrence=occurrence).to_html()
    for words in ("Full uncertainty takes", "the band holds"):
        assert words not in page
        assert words in page_of(folder)


def test_a_page_without_an_event_in_a_period_says_so(folder: Path, no_charts):
    empty = evstream.report(io.BytesIO(stream_of([])), occurrence=folder / "occurrence.bin")
    assert "No event of the stream is in a period" in empty.to_html()
    assert "No event of the stream is in a period" not in page_of(folder)


def test_losses_that_are_not_finite_are_named_in_words(folder: Path, no_charts):
    blocks = [((1, 1, 5.0), [(1, float("inf"))]), ((2, 1, 5.0), [(1, 3.0)])]
    page = " ".join(evstream.report(io.BytesIO(stream_of(blocks))).to_html().split())
    assert "1 place breaks rules of the format" in page
    assert "1 event without a finite mean loss above 0 not shown" in page
    assert "do not follow one another" not in page


def test_findings_are_at_the_top_and_listed(folder: Path, no_charts):
    bad = folder / "bad.bin"
    bad.write_bytes(stream_of([((1, 1, 5.0), [(2, 2.0), (1, 3.0)])]))
    report = evstream.validate(bad)
    page = evstream.report(bad).to_html()
    found = Tables(page).found
    assert re.search(r'<p class="state (bad|warn)">', page)
    assert [row[0] for row in found["Rules that are broken"][1:]] == list(report.counts)
    errors_first = sorted(report.findings, key=lambda finding: finding.severity != "error")
    assert [row[1] for row in found["First places"][1:]] == [f.text for f in errors_first]
    assert '<p class="state good">The stream is whole' in page_of(folder)


def test_commands_write_a_report_whole_or_not_at_all(folder: Path, no_charts, monkeypatch):
    out, cut = folder / "r.html", folder / "cut.bin"
    arguments = ["--occurrence", folder / "occurrence.bin", "--date", "Monday", "-o", out]
    done = run_main("report", folder / "summary.bin", *arguments)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert "Monday" in out.read_text()
    assert run_main("report", folder / "summary.bin").stdout.startswith(b"<!DOCTYPE html>")
    done = run_main("report", "never read", "-o", folder / "none" / "r.html")
    assert (done.returncode, done.stderr.count(b"none/r.html: No such file")) == (2, 1)
    before = out.read_bytes()
    cut.write_bytes(stream_of(BLOCKS)[:-11])
    done = run_main("report", cut, *arguments)
    assert done.returncode == 2
    assert re.fullmatch(rb"evstream: \S+cut\.bin: byte \d+, event_id .*\n", done.stderr)
    assert out.read_bytes() == before
    bad = folder / "bad.bin"
    bad.write_bytes(stream_of([((1, 1, 5.0), [(2, 2.0), (2, 3.0)])]))
    done = run_main("report", folder / "summary.bin", bad, "-o", out)
    assert done.returncode == 1
    assert re.fullmatch(rb"evstream: error: \S+bad\.bin: byte 32, event_id 1, .*\n", done.stderr)
    assert out.read_bytes() != before
    done = run_main("report", bad, "-o", bad)
    assert (done.returncode, done.stderr.count(b"\n")) == (2, 1)
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    done = run_main("report", bad, "-o", out)
    assert b"evstream[report]" in done.stderr


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        (amount(1234567.8), "1,234,568"), (amount(-12.345), "\u221212.35"),
        (amount(0.01234), "0.0123"), (amount(-0.0), "0"),
        (amount(0), "0"), (amount(float("nan")), "\u2013"), (amount(float("inf")), "\u221e"),
        (short(1.234e9), "1.23 bn"), (short(999.96e3), "1 M"), (short(12), "12.00"),
        (edge(200), "200"), (edge(5e4), "50 k"), (edge(0.02), "0.02"), (percent(0.1234), "12.3 %"),
        (years(250.0), "250"), (years(2.5), "2.5"), (bytes_of(1_500_000), "1.5 MB"),
        (bytes_of(12), "12 bytes"),
    ],
)  # fmt: skip
def test_numbers_are_printed_for_people(shown: str, text: str):
    assert shown == text


# In a browser


@pytest.mark.keeps_files_open  # vl-convert, for its engine
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_a_browser_shows_the_page_and_asks_for_nothing(folder: Path):
    """One browser and one page, since each takes a second to start."""
    file = folder / "report.html"
    file.write_text(page_of(folder, title="A <title>"))
    table = evstream.ept(folder / "summary.bin", folder / "occurrence.bin")
    losses = {f"{loss:,.0f}" for loss in table["loss"].tolist()}
    with chromium() as page:
        page.open(file)
        assert page.problems == []
        assert page.requests == [file.as_uri()]
        drawn = "[...document.querySelectorAll('figure')].map((one) => one.dataset.drawn)"
        assert page.run(drawn) == ["true"] * 5
        assert page.run("document.title") == "A <title>"
        look_at_hovering(page, losses)
        look_at_choosing(page)
        look_at_widths_and_colours(page)
        assert page.problems == []
        assert len(page.requests) == 1


def look_at_hovering(page: Page, losses: set[str]) -> None:
    """The point nearest to the mouse shows its values."""
    place = "document.querySelector('figure .chart').getBoundingClientRect()"
    x, y = (page.run(f"{place}.{side}") for side in ("x + 200", "y + 150"))
    page.point_at(x, y)
    page.point_at(x + 1, y)
    names = "[...document.querySelectorAll('#tip dt')].map((one) => one.textContent)"
    values = "[...document.querySelectorAll('#tip dd')].map((one) => one.textContent)"
    assert page.run(names) == ["Curve", "Return period (years)", "Loss"]
    curve, years, loss = page.run(values)
    assert curve in {"OEP", "AEP", "OEP TVaR", "AEP TVaR"}
    assert float(years) >= 1
    assert loss in losses
    page.point_at(5, 5)
    assert page.run("document.querySelector('#tip').hidden")


def look_at_choosing(page: Page) -> None:
    """Another summary has another table and other curves."""
    lines = (
        "[...document.querySelectorAll('figure .mark-line path')].map((p) => p.getAttribute('d'))"
    )
    shown = "[...document.querySelectorAll('figure [data-key]')].filter((t) => !t.hidden)" \
        ".map((t) => t.dataset.key)"  # fmt: skip
    before, key = page.run(lines), page.run(shown)[0]
    page.run("""(async () => {
      const select = document.querySelector("figure select");
      select.selectedIndex = 1;
      select.dispatchEvent(new Event("change"));
      await new Promise((done) => setTimeout(done, 100));
    })()""")
    after = page.run(shown)[0]
    assert after != key
    assert after.partition("/")[2] == key.partition("/")[2]
    assert len(page.run(shown)) == 2  # one of curves, one of convergence
    assert page.run(lines) != before


def look_at_widths_and_colours(page: Page) -> None:
    """It fits a phone, is dark where the reader wants that, and light on paper."""
    colour = "getComputedStyle(document.querySelector('.chart .mark-line path')).stroke"
    back = "getComputedStyle(document.body).backgroundColor"
    light = page.run(colour), page.run(back)
    dark = [{"name": "prefers-color-scheme", "value": "dark"}]
    page.send("Emulation.setEmulatedMedia", features=dark)
    assert page.run(colour) != light[0]
    assert page.run(back) != light[1]
    page.send("Emulation.setEmulatedMedia", media="print", features=dark)
    assert (page.run(colour), page.run(back)) == light
    page.send("Emulation.setEmulatedMedia", media="", features=[])
    page.run("addEventListener('error', (one) => { document.title = one.message; })")
    for width in (900, 390):
        page.size(width, 800)
        page.run("new Promise((done) => setTimeout(done, 200))")
    assert page.run("document.title") == "A <title>"  # no error, such as one of ResizeObserver
    assert page.run("document.documentElement.scrollWidth") <= 390
    widths = (
        "[...document.querySelectorAll('.chart svg')].map((s) => s.getBoundingClientRect().width)"
    )
    assert max(page.run(widths)) <= 390
