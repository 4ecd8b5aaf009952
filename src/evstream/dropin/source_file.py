"""Find the source of a module without importing it."""

from __future__ import annotations

from importlib.machinery import PathFinder
from pathlib import Path


def source_of(module: str) -> Path | None:
    """The source file of a module, found without importing the packages above it."""
    top, *rest = module.split(".")
    spec = PathFinder.find_spec(top)
    for folder in (spec and spec.submodule_search_locations) or []:
        path = Path(folder, *rest).with_suffix(".py")
        if path.is_file():
            return path
    return None
