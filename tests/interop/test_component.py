"""The example component among the reference's own programs."""

from __future__ import annotations

import csv
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

import evstream
from interop.programs import run
from support import ROOT

EXAMPLE = ROOT / "examples" / "component.py"
EVENTS = list(range(1, 31))

pytestmark = pytest.mark.skipif(shutil.which("evepy") is None, reason="2.3 has no evepy")


@pytest.fixture(scope="module")
def folder(workspace: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("component") / "run"
    shutil.copytree(workspace / "big", path)
    np.array(EVENTS, "<i4").tofile(path / "input" / "events.bin")
    return path


def shell(command: str, folder: Path) -> None:
    model = f'model() {{ "{sys.executable}" "{EXAMPLE}" "$@"; }}; '
    result = run(model + command, folder, dropin=False)
    assert result.returncode == 0, result.stderr
    assert "rror" not in result.stderr, result.stderr


def test_a_component_feeds_the_financial_module(folder: Path) -> None:
    shell(
        "evepy 1 1 | model -S 10 | tee gul.bin | fmpy -a2 -p input | tee fm.bin"
        " | summarypy -t il -p input -2 /dev/stdout | eltpy -s selt.csv",
        folder,
    )
    gul = evstream.read_dense(folder / "gul.bin")
    fm = evstream.read_dense(folder / "fm.bin")
    for dense in (gul, fm):
        assert sorted(set(dense.event_ids.tolist())) == EVENTS
        assert dense.losses.shape[1] == 10
    assert 0 < fm.losses.sum() < gul.losses.sum()
    with (folder / "selt.csv").open() as file:
        table = list(csv.DictReader(file))
    assert {int(row["EventId"]) for row in table} == set(EVENTS)
    samples = sum(float(row["Loss"]) for row in table if int(row["SampleId"]) > 0)
    assert samples == pytest.approx(fm.losses.sum(dtype=float), rel=1e-4)


def test_the_arguments_of_a_custom_model(folder: Path) -> None:
    """What an Oasis run passes to a model of its own gives what evepy in a pipe gives."""
    shell(
        """echo '{"number_of_samples": 4}' > settings.json;"""
        "for n in 1 2 3; do"
        " model -e $n 3 -a $PWD/settings.json -p input -i  | cat > own_$n.bin;"
        " evepy $n 3 | model -S 4 > piped_$n.bin; done",
        folder,
    )
    for n in (1, 2, 3):
        own = (folder / f"own_{n}.bin").read_bytes()
        assert own == (folder / f"piped_{n}.bin").read_bytes()
        assert evstream.read_columns(folder / f"own_{n}.bin")["event_id"][0] == n
    evstream.merge([folder / f"own_{n}.bin" for n in (1, 2, 3)], folder / "merged.bin")
    shell("evepy 1 1 | model -S 4 -o whole.bin", folder)
    assert (folder / "merged.bin").read_bytes() == (folder / "whole.bin").read_bytes()
