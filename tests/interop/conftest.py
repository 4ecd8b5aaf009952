"""The reference's own programs, with evstream in the place of its event-stream module.

`make interop` installs the reference (oasislmf from PyPI) in an environment of its own and
runs this group there. Anywhere else nothing here is collected, and the summary says so.
"""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import pytest

HAS_REFERENCE = importlib.util.find_spec("oasislmf") is not None
collect_ignore_glob = [] if HAS_REFERENCE else ["test_*.py"]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not HAS_REFERENCE:
        terminalreporter.write_line("interop: not run, oasislmf is not installed (make interop)")
        return
    from interop.programs import TIMES

    if TIMES:
        lines = ["| Program | reference, s | with evstream, s |", "|---|---|---|"]
        lines += [f"| {name} | {a:.2f} | {b:.2f} |" for name, (a, b) in TIMES.items()]
        terminalreporter.write_line("\n".join(["seconds per command, start included:", *lines]))
        if path := os.environ.get("EVSTREAM_INTEROP_TIMES"):
            Path(path).write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from interop.workspace import make_workspace

    return make_workspace(tmp_path_factory.mktemp("interop") / "workspace")
