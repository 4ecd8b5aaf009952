"""The example model, summary and report, as programs and as `evstream demo` joins them."""

from __future__ import annotations

import argparse
import importlib
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import evstream
import oracle
from evstream._support.format import bound_format
from evstream.cli import demo

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
EVENTS, LOCATIONS, REGIONS = 20, 100, 5
RATE = 0.5 / EVENTS  # per event and year
SIZE = [f"--events={EVENTS}", f"--locations={LOCATIONS}"]

MAIN = 'if __name__ == "__main__":\n'
BREAKS_IN_ITS_STREAM = (
    (EXAMPLES / "catastrophe_model.py").read_text().partition(MAIN)[0]
    + f"""
{MAIN}
    with evstream.create("-", "loss", len_sample=1) as out:
        out.write_event(1, [1], [[2.0]], mean=2.0, tiv=3.0)
        raise RuntimeError("the wind model diverged")
"""
)


def run_demo(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    demo.add_parser(parser.add_subparsers(required=True), bound_format())
    options = parser.parse_args(["demo", *SIZE, *arguments])
    return int(options.run(options))


def model(*arguments: str) -> bytes:
    command = [sys.executable, str(EXAMPLES / "catastrophe_model.py"), *SIZE, *arguments]
    return subprocess.run(command, check=True, capture_output=True).stdout


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What went through the pipes of a demo, and its report."""
    folder = tmp_path_factory.mktemp("demo")
    assert run_demo("--keep", str(folder)) == 0
    return folder


@pytest.fixture(scope="module")
def losses(kept: Path) -> oracle.Decoded:
    return oracle.decode((kept / "losses.bin").read_bytes(), "loss")


@pytest.fixture(scope="module")
def summaries(kept: Path) -> oracle.Decoded:
    return oracle.decode((kept / "summary.bin").read_bytes(), "summary")


@pytest.fixture
def replace_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Let the demo find other source in the place of one example."""

    def replace(name: str, source: str) -> None:
        folder = tmp_path / "examples"
        shutil.copytree(EXAMPLES, folder)
        (folder / f"{name}.py").write_text(source)
        monkeypatch.setattr(demo, "examples_folder", lambda: folder)

    return replace


def test_both_streams_are_whole_by_the_oracle(
    losses: oracle.Decoded, summaries: oracle.Decoded
) -> None:
    assert (losses.error, losses.final_delimiter, losses.header) == (
        None,
        True,
        {"len_sample": 100},
    )
    assert (summaries.error, summaries.final_delimiter) == (None, True)
    assert summaries.header == {"len_sample": 100, "summary_set_id": 1}
    assert losses.events == summaries.events
    assert 5 < len(losses.events) < EVENTS  # some hurricanes miss the portfolio


def test_evstream_reads_what_the_oracle_reads(kept: Path, losses: oracle.Decoded) -> None:
    with evstream.open(kept / "losses.bin", "loss", strict=True) as stream:
        rows = [event.to_rows() for event in stream]
    expected = np.array(losses.records).T
    for column, values in zip(("event_id", "item_id", "sidx", "loss"), expected, strict=True):
        np.testing.assert_array_equal(np.concatenate([row[column] for row in rows]), values)


def test_the_samples_are_drawn_from_the_stated_distribution(kept: Path) -> None:
    z_of_mean, damaged, chance = [], [], []
    with evstream.open(kept / "losses.bin") as stream:
        for event in stream:
            items = event.to_dense()
            of = items.specials
            assert (items.losses <= of["max_loss"][:, np.newaxis]).all()
            error = items.losses.mean(axis=1) - of["mean"]
            z_of_mean.append(error / of["std_dev"] * np.sqrt(100))
            damaged.append((items.losses > 0).mean(axis=1))
            chance.append(of["chance_of_loss"])
    z = np.concatenate(z_of_mean)
    assert np.abs(z).max() < 6
    assert np.abs(z.mean()) < 0.3
    assert np.concatenate(damaged).mean() == pytest.approx(np.concatenate(chance).mean(), abs=0.03)


def test_a_seed_gives_the_same_bytes_and_another_seed_others(kept: Path) -> None:
    assert model("--seed=1") == (kept / "losses.bin").read_bytes()
    assert model("--seed=2") != (kept / "losses.bin").read_bytes()


def test_a_summary_is_the_sum_of_its_items(
    losses: oracle.Decoded, summaries: oracle.Decoded
) -> None:
    sums: defaultdict[tuple[int, ...], float] = defaultdict(float)
    exposures: defaultdict[tuple[int, int], float] = defaultdict(float)
    for event, item, sidx, loss in losses.records:
        region = int(event), (int(item) - 1) % REGIONS + 1
        if sidx == -3:
            exposures[region] += loss
            sums[(*region, -4)] += 1  # one affected risk more
        elif sidx >= -1:
            sums[(*region, int(sidx))] += loss
    found = {(e, s, sidx): loss for e, s, _, sidx, loss in summaries.records}
    assert found.keys() == sums.keys()
    assert found == pytest.approx(sums, rel=1e-5)
    assert {(e, s): v for e, s, v, *_ in summaries.records} == pytest.approx(exposures)


def test_the_report_has_the_average_annual_loss(kept: Path, losses: oracle.Decoded) -> None:
    _, _, sidx, loss = np.array(losses.records).T
    text = (kept / "report.txt").read_text()
    of_means, of_samples = re.findall(r"([\d.]+)   from the", text)
    assert float(of_means) == pytest.approx(loss[sidx == -1].sum() * RATE / 1e6, abs=0.0006)
    assert float(of_samples) == pytest.approx(loss[sidx > 0].sum() / 100 * RATE / 1e6, abs=0.0006)
    assert f"{len(losses.events)} of {EVENTS} events" in text


def test_samples_are_equal_parts_of_an_event_rate(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLES))
    exceedance = importlib.import_module("report").occurrence_exceedance
    samples = np.arange(1.0, 101.0).reshape(1, 100)  # one event, once in 10 years
    ten_worst = 1 / (1 - np.exp(-0.1 * 10.5 / 100))
    assert exceedance(samples, 0.1, ten_worst) == 90
    assert exceedance(samples, 0.1, 5) == 0  # most five years have no event


def test_the_demo_tells_times_and_bytes(kept: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run_demo() == 0
    printed = capfd.readouterr()
    size = (kept / "losses.bin").stat().st_size / 1e6
    assert re.search(rf"summarise.py +[\d.]+ s +[\d.]+ s +{size:.1f} MB", printed.out)
    assert "Average annual loss" in printed.out
    assert "numba compiles" in printed.err


@pytest.mark.parametrize("name", ["summarise", "report"])
def test_the_demo_names_the_process_that_failed(
    name: str, replace_example: Callable[[str, str], None], capfd: pytest.CaptureFixture[str]
) -> None:
    replace_example(name, "raise RuntimeError('no luck today')")
    assert run_demo() == 1
    printed = capfd.readouterr()
    assert f"{name}.py failed, status 1: RuntimeError: no luck today" in printed.err
    assert "Average annual loss" not in printed.out


def test_a_model_that_breaks_is_not_taken_for_a_short_one(
    replace_example: Callable[[str, str], None], capfd: pytest.CaptureFixture[str]
) -> None:
    replace_example("catastrophe_model", BREAKS_IN_ITS_STREAM)
    assert run_demo() == 1
    printed = capfd.readouterr()
    assert "catastrophe_model.py failed, status 1: RuntimeError: the wind model" in printed.err
    assert "and with it summarise.py, report.py" in printed.err
