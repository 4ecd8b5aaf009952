"""Pictures of a stream show what its tables hold, and appear whole or not at all."""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import evstream
from evstream import EvstreamError, MissingExtraError
from evstream.reporting import plot as plots
from oracle import encode
from result_cases import OCCURRENCES, SAMPLES, made_blocks, occurrence_file, stream_of
from support import run_main

BLOCKS = [(ids, [(s, abs(loss)) for s, loss in entries]) for ids, entries in made_blocks()]
SUMMARY = stream_of(BLOCKS)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "summary.bin").write_bytes(SUMMARY)
    occurrence_file(tmp_path, [*OCCURRENCES, (6, 4), (9, 6)])
    return tmp_path


@pytest.fixture
def drawn(monkeypatch) -> list[dict[str, Any]]:
    """The charts that are drawn, which takes a while."""
    charts: list[dict[str, Any]] = []

    def picture(chart: dict[str, Any], kind: str, scale: float) -> bytes:
        charts.append(chart)
        return f"{kind} {scale:g}".encode()

    monkeypatch.setattr(plots, "picture", picture)
    return charts


def plotted(folder: Path, **options: Any) -> None:
    options.setdefault("occurrence", folder / "occurrence.bin")
    evstream.plot(options.pop("source", folder / "summary.bin"), **options)


@pytest.mark.keeps_files_open  # vl-convert, for its engine
def test_pictures_have_the_kind_that_their_names_say(folder: Path):
    targets = {"ep": "ep.svg", "aal": "aal.png", "distribution": "d.PDF"}
    plotted(folder, title="Wind & hail", unit="EUR", **{n: folder / t for n, t in targets.items()})
    svg = (folder / "ep.svg").read_text()
    assert svg.startswith("<svg ")
    for text in ("Wind &amp; hail", "OEP", "AEP TVaR", "Return period (years)", "Loss (EUR)"):
        assert f">{text}<" in svg
    assert (folder / "aal.png").read_bytes().startswith(b"\x89PNG")
    assert (folder / "d.PDF").read_bytes().startswith(b"%PDF")


def test_a_plot_has_the_numbers_of_the_tables(folder: Path, drawn):
    path, occurrence = folder / "summary.bin", folder / "occurrence.bin"
    names = ("ep", "aal", "convergence", "largest", "distribution")
    plotted(folder, summary=7, calc="analytical", **{n: folder / f"{n}.png" for n in names})
    ep, aal, convergence, largest, distribution = (chart["data"]["values"] for chart in drawn)
    table = evstream.ept(path, occurrence)
    chosen = (table["summary_id"] == 7) & (table["ep_calc"] == 1) & (table["ep_type"] == 1)
    found = [(row["years"], row["loss"]) for row in ep if row["curve"] == "OEP" and row["loss"]]
    years, losses = table["return_period"][chosen], table["loss"][chosen]
    assert np.allclose(found, [pair for pair in zip(years, losses, strict=True) if pair[0] >= 1])
    table = evstream.aal(path, occurrence)
    means = sorted(table["mean_loss"][table["sample_type"] == 2].tolist())
    assert np.allclose([row["mean"] for row in aal], means[::-1])
    table = evstream.aal(path, occurrence, "alct")
    chosen = table["summary_id"] == 7
    assert np.allclose([row["mean"] for row in convergence], table["mean_loss"][chosen])
    assert len(largest) == len({ids[0] for ids, _ in BLOCKS})
    assert sum(row["events"] for row in distribution) == len(largest)
    assert (folder / "ep.png").read_bytes() == b"png 2"


def test_item_streams_are_plotted_as_one_portfolio(folder: Path, drawn):
    items = encode("loss", {"len_sample": SAMPLES}, [(ids[:2], entries) for ids, entries in BLOCKS])
    more = {"ep": folder / "e.svg", "aal": folder / "a.svg"}
    plotted(folder, source=io.BytesIO(items), **more)
    assert [row["name"] for row in drawn[1]["data"]["values"]] == ["all items"]
    evstream.plot(io.BytesIO(items), convergence=folder / "c.svg", largest=folder / "l.svg")
    assert [row["samples"] for row in drawn[2]["data"]["values"]] == [2, 4, 6]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "no chart is asked for"),
        ({"ep": "x.gif"}, r"ep is 'x.gif', expected a name with \.png, \.svg, \.pdf"),
        ({"ep": 3}, "ep is 3, expected a path"),
        ({"ep": "x.png", "occurrence": None}, "ep needs an occurrence, which says in"),
        ({"ep": "x.png", "calc": "best"}, "calc is 'best', expected full"),
        ({"ep": "x.png", "scale": 0}, "scale is 0"),
        ({"ep": "x.png", "width": 1}, "width is 1"),
        ({"ep": "x.png", "width": 10**5, "height": 10**5}, r"have 40,000,000,000 pixels, expected"),
        ({"ep": "x.png", "width": 10**6, "scale": 20}, r"have 128,000,000,000 pixels, expected"),
        ({"ep": "x.png", "aal": "y/../x.png"}, r"ep and aal are both 'y/\.\./x\.png', expected"),
        ({"ep": "x.png", "summary": 5}, "of summary 5 is in a period, expected one of 2, 3, 7"),
    ],
)  # fmt: skip
def test_wrong_arguments_of_plots_are_named(folder: Path, options, message, monkeypatch, drawn):
    monkeypatch.chdir(folder)
    with pytest.raises((TypeError, ValueError, EvstreamError), match=message):
        plotted(folder, **options)
    assert not list(folder.glob("x.*"))


def test_what_cannot_be_plotted_is_an_error(folder: Path, drawn):
    cdf = encode("cdf", {}, [((1, 2, 3), [(1.0, 0.5)])])
    with pytest.raises(EvstreamError, match="a cdf stream has no losses to plot"):
        plotted(folder, source=io.BytesIO(cdf), ep=folder / "x.png")
    absent = stream_of([((77, 1, 1.0), [(1, 0.0)])])
    for name in ("ep", "aal"):
        with (
            pytest.warns(evstream.WithoutPeriodWarning),
            pytest.raises(EvstreamError, match="no event"),
        ):
            plotted(folder, source=io.BytesIO(absent), **{name: folder / "x.png"})
    for name in ("largest", "distribution"):
        with pytest.raises(EvstreamError, match="no event"):
            evstream.plot(io.BytesIO(stream_of([])), **{name: folder / "x.png"})
    with pytest.raises(FileNotFoundError, match=r"none/x\.svg"):
        evstream.plot("never read", largest=folder / "none" / "x.svg")
    alone = [(ids, [e for e in entries if e[0] < 0]) for ids, entries in BLOCKS]
    with pytest.raises(EvstreamError, match="no curve of full uncertainty losses"):
        plotted(folder, source=io.BytesIO(stream_of(alone, 0)), ep=folder / "x.png")
    with pytest.raises(EvstreamError, match="has no samples"):
        evstream.plot(io.BytesIO(stream_of(alone, 0)), convergence=folder / "x.png")
    assert not list(folder.glob("x.*"))


def test_small_and_vast_losses_have_no_prefix_at_an_axis(folder: Path, drawn):
    """0.5 is not 500m, which reads as million."""
    plotted(folder, ep=folder / "x.svg")
    import vl_convert

    small = {"loss": 0.5, "years": 2.0, "curve": "OEP"}, {"loss": 0.0, "years": 1.0, "curve": "OEP"}
    for factor, seen in ((1, {"0", "0.1", "0.5"}), (4e20, {"0", "1e+20"}), (4e6, {"0", "1M"})):
        rows = [{**row, "loss": row["loss"] * factor} for row in small]
        chart = {**drawn[0], "data": {"name": "curves", "values": rows}}
        texts = set(re.findall(r">([^<>]+)</text>", vl_convert.vegalite_to_svg(chart)))
        assert seen <= texts


def test_events_without_samples_have_no_band(folder: Path, drawn):
    alone = [(ids, [e for e in entries if e[0] < 0]) for ids, entries in BLOCKS]
    for data in (stream_of(alone, 0), SUMMARY):
        plotted(folder, source=io.BytesIO(data), largest=folder / "x.png")
    assert [len(chart["layer"]) for chart in drawn] == [1, 2]


def test_the_command_draws_all_pictures_in_one_pass(folder: Path, drawn):
    more = ["--occurrence", folder / "occurrence.bin", "--ep", folder / "e.png", "--scale", "3",
            "--largest", folder / "l.svg", "--size", "500x250", "--calc", "full"]  # fmt: skip
    done = run_main("plot", "-", *more, stdin=SUMMARY)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert (folder / "e.png").read_bytes() == b"png 3"
    assert [(chart["width"], chart["height"]) for chart in drawn] == [(500, 250)] * 2
    done = run_main("plot", folder / "summary.bin", "--ep", folder / "e.png")
    assert done.returncode == 2
    assert re.fullmatch(rb"evstream: ep needs an occurrence.*\n", done.stderr)
    assert run_main("plot", folder / "summary.bin", "--size", "big").returncode == 2


def test_a_missing_library_is_named_before_the_work(folder: Path, monkeypatch):
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'evstream\[report\]'"):
        evstream.plot("no such file", largest=folder / "x.png")
