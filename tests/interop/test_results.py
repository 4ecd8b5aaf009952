"""Result tables are those of the reference's eltpy, aalpy and lecpy."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

import evstream
from interop.programs import run

DIGITS = 2e-5
"""Relative: what sums in f4, as the reference makes them, lose against sums in f8."""


def reference(command: str, folder: Path) -> None:
    if shutil.which(command.split(maxsplit=1)[0]) is None:
        pytest.skip("this reference has no such program")
    result = run(command, folder, dropin=False)
    assert result.returncode == 0, result.stderr
    assert "Traceback" not in result.stderr, result.stderr


def assert_same(found: evstream.ResultTable, file: Path, digits: float = DIGITS) -> None:
    """Two tables have the same rows, in any order; their keys are exact, floats to some digits."""
    expected = evstream.read_columns(file, stream=found.kind)
    keys = [name for name in ("return_period", "quantile") if name in found]
    keys += [name for name, column in found.items() if column.dtype.kind in "iu"]
    known = np.isin(expected["summary_id"], found["summary_id"])  # alct has rows of absent ones
    expected = {name: column[known] for name, column in expected.items()}
    ours, theirs = (np.lexsort([table[name] for name in keys]) for table in (found, expected))
    assert len(ours) == len(theirs)
    for name, column in found.items():
        tolerance = 0 if column.dtype.kind in "iu" else digits
        np.testing.assert_allclose(
            column[ours], expected[name][theirs], rtol=tolerance, atol=tolerance, err_msg=name
        )


@pytest.fixture(scope="session")
def losses(workspace: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The large run folder, of our own: programs leave files in it."""
    folder = tmp_path_factory.mktemp("results") / "big"
    shutil.copytree(workspace / "big", folder)
    (folder / "out").mkdir()
    return folder


def test_event_loss_tables_are_those_of_eltpy(losses: Path) -> None:
    rates = "\n".join(f"{event},{event / 1000}" for event in range(1, 150))
    (losses / "input" / "event_rates.csv").write_text(f"EventIds,Event_rates\n{rates}\n")
    outputs = "-s out/selt.bin -m out/melt.bin -q out/qelt.bin"
    reference(f"eltpy -E bin -i summary_2.bin {outputs}", losses)
    inputs = losses / "input"
    for table, options in (
        ("selt", {}),
        ("melt", {"rates": inputs / "event_rates.csv"}),
        ("qelt", {"quantiles": inputs / "quantile.bin"}),
    ):
        found = evstream.elt(losses / "summary_2.bin", table, **options)
        assert_same(found, losses / "out" / f"{table}.bin", 1e-6)


def make_run(folder: Path, *, weighted: bool, seed: int = 3) -> Path:
    """A run folder of odd losses: three summaries in two files, zeros and losses below zero,
    events in several periods, in none, and periods without events; with indexes of summaries, by
    which lecpy makes each summary alone."""
    random = np.random.default_rng(seed)
    pair, place = np.dtype([("s", "<i4"), ("x", "<f4")]), np.dtype([("i", "<i4"), ("o", "<i8")])
    for name in ("input", "work/gul", "out"):
        (folder / name).mkdir(parents=True)
    for file, events in (("P1", range(1, 30)), ("P2", range(30, 50))):
        data = bytearray(np.array([3 << 24 | 1, SAMPLES, 1], "<u4").tobytes())
        index = []
        for event in events:
            for summary in (1, 2, 5):
                if random.random() < 0.2:
                    continue
                losses = random.gamma(0.6, 1000.0, SAMPLES).astype("f4")
                losses[random.random(SAMPLES) < 0.3] = 0
                losses[random.random(SAMPLES) < 0.05] *= -1
                entries = np.zeros(SAMPLES + 3, pair)
                entries["s"][:-1] = [-5, -1, *range(1, SAMPLES + 1)]
                entries["x"][:-1] = [losses.max(), losses.mean(), *losses]
                kept = (entries["x"] != 0) | (entries["s"] < 1) | (random.random(SAMPLES + 3) < 0.3)
                index.append((summary, len(data)))
                data += np.array([event, summary], "<i4").tobytes()
                data += np.array([1e6], "<f4").tobytes() + entries[kept].tobytes()
        (folder / "work" / "gul" / f"{file}.bin").write_bytes(data)
        (folder / "work" / "gul" / f"{file}.idx").write_bytes(np.array(index, place).tobytes())
    occurrences = [(event, int(period), 735000 + event)
                   for event in range(1, 50) if event % 11
                   for period in random.choice(PERIODS, 1 + event % 3, False) + 1]  # fmt: skip
    rows = np.array(occurrences, "<i4").tobytes()
    head = np.array([1, PERIODS], "<i4").tobytes()
    (folder / "input" / "occurrence.bin").write_bytes(head + rows)
    points = np.array([200, 100, 45, 40, 39, 10, 7, 5, 3, 2, 1], "<i4")
    (folder / "input" / "returnperiods.bin").write_bytes(points.tobytes())
    if weighted:
        weights = random.random(PERIODS)
        weights[3] = 0
        periods = np.zeros(PERIODS, [("n", "<i4"), ("w", "<f8")])
        periods["n"], periods["w"] = np.arange(1, PERIODS + 1), weights / weights.sum()
        (folder / "input" / "periods.bin").write_bytes(periods.tobytes())
    return folder


SAMPLES, PERIODS = 6, 40
"""Of the odd losses. aalpy reads beyond its samples where their number is 2^k - 1."""


def inputs_of(folder: Path) -> dict[str, Path]:
    """The files of a run folder that results need besides the losses."""
    files = {"occurrence": "occurrence", "periods": "periods"}
    paths = {name: folder / "input" / f"{file}.bin" for name, file in files.items()}
    return {name: path for name, path in paths.items() if path.exists()}


@pytest.fixture(scope="session", params=["model", "equal", "weighted"])
def a_run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run folders: that of the model, and odd ones with and without weights of periods."""
    if request.param != "model":
        folder = tmp_path_factory.mktemp(request.param)
        return make_run(folder, weighted=request.param == "weighted")
    losses: Path = request.getfixturevalue("losses")
    return losses


@pytest.mark.filterwarnings("ignore::evstream.WithoutPeriodWarning")
def test_average_annual_losses_are_those_of_aalpy(a_run: Path) -> None:
    reference("aalpy -E bin -K gul -a out/aal.bin -c out/alct.bin", a_run)
    reference("aalpy -E bin -K gul -M -a out/aalmeanonly.bin", a_run)
    for table in ("aal", "aalmeanonly", "alct"):
        found = evstream.aal(str(a_run / "work/gul/*.bin"), table=table, **inputs_of(a_run))
        assert_same(found, a_run / "out" / f"{table}.bin")


LEC = "-F -W -S -M -f -w -s -m"


@pytest.mark.filterwarnings("ignore::evstream.WithoutPeriodWarning")
@pytest.mark.parametrize("points", ["", "-r"])
def test_exceedance_curves_are_those_of_lecpy(a_run: Path, points: str) -> None:
    reference(f"lecpy -E bin -K gul -O out/ept.bin -o out/psept.bin {points} {LEC}", a_run)
    targets = a_run / "input" / "returnperiods.bin" if points else None
    for per_sample in (False, True):
        found = evstream.ept(
            str(a_run / "work/gul/*.bin"),
            return_periods=targets,
            per_sample=per_sample,
            **inputs_of(a_run),
        )
        assert_same(found, a_run / "out" / f"{found.kind}.bin")
