"""The component of docs/compatibility.md prints the same numbers at each step."""

from __future__ import annotations

import sys
from pathlib import Path

from interop.programs import run

FOLDER = Path(__file__).parent / "migration"


def test_every_step_prints_the_same(workspace: Path) -> None:
    stream = workspace / "big" / "gul.bin"

    def printed(script: str, *, dropin: bool = False) -> str:
        command = f"{sys.executable} {FOLDER / script} {stream}"
        result = run(command, workspace, dropin=dropin)
        assert result.returncode == 0, result.stderr
        return result.stdout

    expected = printed("before.py")
    assert len(expected.splitlines()) == 200
    assert printed("before.py", dropin=True) == expected
    assert printed("import_changed.py") == expected
    assert printed("after.py") == expected
