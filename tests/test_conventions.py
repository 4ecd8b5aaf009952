"""Conventions of CONTRIBUTING.md that a program can check: sizes, names, docstrings, imports."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MODULES = sorted(
    path for path in (ROOT / "src").rglob("*.py") if "_generated" not in path.parts
)  # fmt: skip
TESTS = sorted((ROOT / "tests").rglob("test_*.py"))

LINES = 350
"""Of a module: above it, it has more than one reason to change."""

LINES_OF_TESTS = 520

LETTERS = 60
"""Of the name of a test, which reads as one fact."""

OWN = {"numpy", "numba", "llvmlite", "evstream"}
"""What `import evstream` may import."""


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def names(paths: list[Path]) -> dict[str, ast.Module]:
    return {name_of(path): parsed(path) for path in paths}


def test_a_module_is_short():
    lengths = {name_of(path): len(path.read_text().splitlines()) for path in MODULES}
    assert {name: n for name, n in lengths.items() if n > LINES} == {}


def test_a_module_of_tests_has_one_subject():
    lengths = {name_of(path): len(path.read_text().splitlines()) for path in TESTS}
    assert {name: n for name, n in lengths.items() if n > LINES_OF_TESTS} == {}


def test_names_of_tests_are_short():
    long = [
        f"{module}: {node.name}"
        for module, tree in names(TESTS).items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
        if len(node.name) >= LETTERS
    ]
    assert long == []


def test_every_module_has_a_docstring():
    trees = names([*MODULES, *(ROOT / "tests").glob("*.py")])
    assert [name for name, tree in trees.items() if tree.body and not ast.get_docstring(tree)] == []


def test_no_test_has_the_name_of_another():
    """Of two functions with one name, Python keeps the last."""
    for module, tree in names(TESTS).items():
        found = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
        assert sorted(set(found)) == sorted(found), module


def imported(body: list[ast.stmt]) -> Iterator[str]:
    """The modules that these statements import when they are run, not those in functions."""
    for node in body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield str(node.module)
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            yield from imported(node.orelse)
        elif isinstance(node, ast.If | ast.Try | ast.With | ast.ClassDef):
            yield from imported(node.body)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_optional_packages_are_imported_in_functions(path: Path):
    allowed = OWN | sys.stdlib_module_names
    assert {n.partition(".")[0] for n in imported(parsed(path).body)} <= allowed


def test_helpers_stand_in_modules_of_their_own():
    """Which of two test modules comes first is nothing that a third should depend on."""
    borrowed = {
        module: found
        for module, tree in names(sorted((ROOT / "tests").rglob("*.py"))).items()
        if (found := [n for n in imported(tree.body) if n.startswith("test_")])
    }
    assert borrowed == {}
