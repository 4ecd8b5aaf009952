"""Each program of the reference writes the same bytes with evstream as without."""

from __future__ import annotations

import shutil
from importlib.metadata import version
from pathlib import Path

import pytest

from interop.programs import CASES, TIMES, Case, run, run_case
from interop.workspace import amplified

# Programs that 2.3.4 does not do right on its own.
BROKEN_IN_2_3 = {
    "plapy": "plapy of 2.3 is wrong without evstream: test_plapy_of_2_3",
    "gulpy": "gulpy of 2.3 fails without evstream where a model has no correlation groups",
    "gulmc": "gulmc of 2.3 crashes without evstream under a numba of today",
}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_outputs_are_the_same_bytes(case: Case, workspace: Path) -> None:
    if not (workspace / case.folder).exists():
        pytest.skip("this reference ships no model")
    if absent := [name for name in case.programs if shutil.which(name) is None]:
        pytest.skip(f"this reference has no {', '.join(absent)}")
    if version("oasislmf").startswith("2.3."):
        for name, reason in BROKEN_IN_2_3.items():
            if name in case.programs and "--ignore-correlation" not in case.command:
                pytest.skip(reason)
    expected, without = run_case(case, workspace, dropin=False)
    found, with_evstream = run_case(case, workspace, dropin=True)
    TIMES[case.name] = without, with_evstream
    assert any(expected.values())
    assert list(found) == list(expected)
    for name in expected:
        assert found[name] == expected[name], name


@pytest.mark.skipif(not version("oasislmf").startswith("2.3."), reason="a defect of 2.3")
def test_plapy_of_2_3(workspace: Path) -> None:
    """Defect 4: it loses the ids where a window ends inside an item; with evstream it does not."""
    case = Case("plapy", "plapy -i gul.bin -o out/pla.bin")
    right = amplified((workspace / "big" / "gul.bin").read_bytes())
    wrong, without = run_case(case, workspace, dropin=False)
    found, with_evstream = run_case(case, workspace, dropin=True)
    TIMES[case.name] = without, with_evstream
    assert len(wrong["pla.bin"]) > len(right)
    assert found["pla.bin"] == right


def test_the_switch_reaches_every_python_process(tmp_path: Path) -> None:
    program = "import oasislmf.pytools.summary.manager as m; print(m.EventReader.__module__)"
    (tmp_path / "p.py").write_text(program)
    command = 'python p.py; python -c \'import subprocess; subprocess.run(["python", "p.py"])\''
    on, off = (run(command, tmp_path, dropin=dropin) for dropin in (True, False))
    assert on.stdout.split() == ["evstream.compat.event_reader"] * 2, on.stderr
    assert off.stdout.split() == ["oasislmf.pytools.common.event_stream"] * 2, off.stderr
