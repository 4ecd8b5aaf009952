"""Packages import downwards only, and no module imports itself by way of others."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "src" / "evstream"

LAYERS = [
    ["errors"],
    ["_support", "process"],
    ["extras"],
    ["transport"],
    ["wire", "monitoring"],
    ["text"],
    ["_generated"],
    ["reading"],
    ["indexing"],
    ["partition"],
    ["checking", "aggregation"],
    ["writing", "explaining"],
    ["compat", "merging"],
    ["tables", "event_stream"],
    ["comparison", "conversion", "dropin", "engines"],
    ["results", "binding", "include", "dask", "spark"],
    ["reporting"],
    ["cli"],
    ["console", "components", "testing"],
]
"""From the bottom up; a module may import from its own package and from the layers below."""

HEIGHT = {name: height for height, names in enumerate(LAYERS) for name in names}

BINDINGS = {("compat.open_inputs", "_generated"), ("_support.build_mark", "_generated")}
"""What belongs to the documented module, and so to the Oasis format."""


def name_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {
    name_of(path): path
    for path in sorted(PACKAGE.rglob("*.py"))
    if "__main__" not in path.name and "site" not in path.parts and name_of(path)
}


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def imports(path: Path) -> Iterator[str]:
    """The modules of the package that a module imports, in functions too."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            found = name.removeprefix("evstream.")
            if found != name:
                yield found if found in MODULES else found.rpartition(".")[0]


def test_every_module_has_a_layer():
    assert {name.partition(".")[0] for name in MODULES} == HEIGHT.keys()


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_downwards_only(module: str):
    package = module.partition(".")[0]
    upward = {
        name
        for name in imports(MODULES[module])
        if name and name.partition(".")[0] != package
        if HEIGHT[name.partition(".")[0]] >= HEIGHT[package]
        if (module, name.partition(".")[0]) not in BINDINGS
    }
    assert upward == set()


def test_no_imports_go_in_a_circle():
    graph = {module: set(imports(path)) - {module, ""} for module, path in MODULES.items()}
    while free := [module for module, needed in graph.items() if not needed & graph.keys()]:
        for module in free:
            del graph[module]
    assert graph == {}


@pytest.mark.parametrize("module", [name for name in MODULES if f"{name}." in " ".join(MODULES)])
def test_a_package_says_what_it_holds(module: str):
    text = ast.get_docstring(parsed(MODULES[module])) or ""
    assert len(text.split()) > 5


def test_imports_name_their_whole_path():
    """A relative import would pass the checks above unseen."""
    relative = [
        f"{module}:{node.lineno}"
        for module, path in MODULES.items()
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert relative == []
