"""Packages of other formats, as `evstream generate` writes them."""

from __future__ import annotations

import importlib
import io
import os
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

from codegen.generate import generate
from codegen.outputs import KINDS, package_outputs
from evstream._support.format import format_of
from support import run_main


def write_package(spec: Path, folder: Path, name: str, only: Collection[str] = KINDS) -> None:
    """The files of a package below a folder."""
    with redirect_stdout(io.StringIO()):
        assert generate(spec, folder, package_outputs(name), only=only, pretty=False) == 0


@contextmanager
def imported_package(
    spec: Path, folder: Path, name: str, only: Collection[str] = KINDS
) -> Iterator[Any]:
    """A package, written and imported. The name is one that no other test has."""
    write_package(spec, folder, name, only)
    sys.path.insert(0, str(folder))
    try:
        yield importlib.import_module(name)
    finally:
        sys.path.remove(str(folder))


def run_package(name: str, folder: Path, *arguments: str, status: int = 0) -> str:
    """What `python -m NAME ...` prints in the folder of the package, without starting Python."""
    before = os.getcwd()
    os.chdir(folder)
    try:
        result = run_main(*arguments, format=format_of(f"{name}._generated"))
    finally:
        os.chdir(before)
    output = (result.stdout + result.stderr).decode()
    assert result.returncode == status, output
    return output
