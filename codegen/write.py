"""Put rendered files in place: whole or not at all, and only those that changed.

Files of an earlier spec that nothing renders any more are removed, so that a dropped
width leaves no stale kernel behind.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

OWNED = {
    "src/evstream/_generated": "*.py",
    "src/evstream/include": "*.h",
    "docs/kaitai": "*.ksy",
}
"""Folders and the files in them that are the generator's alone."""


def stale(root: Path, files: dict[str, str]) -> list[str]:
    """Paths below `root` whose content is not what was rendered, sorted."""
    changed = [path for path, body in files.items() if _read(root / path) != body]
    return sorted(changed + leftovers(root, files))


def leftovers(root: Path, files: dict[str, str]) -> list[str]:
    """Generated files on disk that are not rendered any more."""
    present = (
        path.relative_to(root).as_posix()
        for folder, pattern in OWNED.items()
        for path in (root / folder).glob(pattern)
    )
    return sorted(path for path in present if path not in files)


def write(root: Path, files: dict[str, str]) -> list[str]:
    """Bring the files up to date; the paths that changed."""
    changed = stale(root, files)
    for path in changed:
        if path in files:
            _replace(root / path, files[path])
        else:
            (root / path).unlink()
    return changed


def _read(path: Path) -> str | None:
    try:
        return path.read_bytes().decode()
    except FileNotFoundError:
        return None


def _replace(path: Path, body: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(body.encode())
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
