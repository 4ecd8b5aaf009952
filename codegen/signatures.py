"""Documented functions whose signatures change when files are generated again.

The generated modules on disk are compared with the rendered ones. A name is documented where a
module lists it in DOCUMENTED.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path


def changed_signatures(root: Path, files: Mapping[str, str], modules: str) -> Iterator[str]:
    """A line for each documented function on disk that `files` change or no longer have.

    Args:
        root: the folder that the paths are relative to.
        files: rendered files by path.
        modules: folder of the generated modules.
    """
    on_disk = (
        path.read_bytes().decode(errors="replace")
        for path in sorted((root / modules).glob("records*.py"))
    )
    old = _functions(on_disk, documented=True)
    rendered = (text for path, text in files.items() if path.startswith(f"{modules}/records"))
    new = _functions(rendered, documented=False)
    for name, parameters in old.items():
        if new.get(name) != parameters:
            change = f"becomes {new[name]}" if name in new else "is removed"
            yield f"{name}{parameters} {change}: a documented name; programs of others call it"


def _functions(texts: Iterable[str], *, documented: bool) -> dict[str, str]:
    """Functions, or the documented ones, and their parameters, the same at all widths."""
    found: dict[str, str] = {}
    for text in texts:
        try:
            body = ast.parse(text).body
        except SyntaxError:  # edited by hand, or cut
            continue
        names = {
            name
            for node in body
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "DOCUMENTED"
            for name in ast.literal_eval(node.value)
        }
        for node in body:
            if isinstance(node, ast.FunctionDef) and (node.name in names or not documented):
                found[node.name] = f"({ast.unparse(node.args)})"
    return found
