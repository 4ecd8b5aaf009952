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
    keys = [name for name, column in found.items() if column.dtype.kind in "iu"]
    keys += [name for name in ("return_period", "quantile") if name in found]
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
