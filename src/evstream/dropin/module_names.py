"""Find the names of one module that another lacks, without importing the first."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterator
from pathlib import Path

from evstream.dropin.source_file import source_of


def missing_names(module: str, stand_in: str) -> dict[str, list[str]]:
    """Names that `stand_in` lacks -> where they are used.

    The names are the functions, classes and variables that `module` defines, and those that the
    other modules of its package import from it.
    """
    found: dict[str, list[str]] = {}
    if (source := source_of(module)) is None:
        return found
    package = source.parents[module.count(".") - 1]
    for name in _defined(_parse(source)):
        found.setdefault(name, []).append(f"defined in {module}")
    word = module.rpartition(".")[2].encode()
    for path in sorted(package.rglob("*.py")):
        if path == source or word not in path.read_bytes():
            continue
        for node in ast.walk(_parse(path)):
            if isinstance(node, ast.ImportFrom) and node.module == module:
                place = f"{path.relative_to(package.parent)}:{node.lineno}"
                for alias in node.names:
                    found.setdefault(alias.name, []).append(place)
    there = _names_of(stand_in)
    return {name: at for name, at in found.items() if name != "*" and name not in there}


def _names_of(module: str) -> set[str]:
    """The names that a module of this package defines or imports at its top. They are read from
    the source: importing it would load numba in a process that may only start others."""
    spec = importlib.util.find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    tree = _parse(Path(spec.origin))
    imported = (node for node in tree.body if isinstance(node, ast.ImportFrom))
    return {*_defined(tree), *(a.asname or a.name for node in imported for a in node.names)}


def _parse(path: Path) -> ast.Module:
    return ast.parse(path.read_bytes(), str(path))


def _defined(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, ast.Assign):
            names = (n for target in node.targets for n in ast.walk(target))
            yield from (n.id for n in names if isinstance(n, ast.Name))
