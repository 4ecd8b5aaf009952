"""Put rendered files in place: whole or not at all, and only those that changed.

Files of an earlier spec that nothing renders any more are removed, so that a dropped
block leaves no stale kernel in place. A file that was edited by hand is not written over.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from .digest import is_edited


class EditedError(Exception):
    """Generated files were edited by hand.

    Attributes:
        paths: the files, relative to the root.
    """

    def __init__(self, paths: list[str]) -> None:
        self.paths = paths
        super().__init__(
            f"{', '.join(paths)}: edited by hand since it was generated; "
            "move the change to the spec or a template, or overwrite it with --force"
        )


def stale(root: Path, files: Mapping[str, str], owned: Mapping[str, str]) -> list[str]:
    """Paths below `root` whose content is not what was rendered, sorted."""
    changed = [path for path, body in files.items() if _read(root / path) != body]
    return sorted(changed + leftovers(root, files, owned))


def leftovers(root: Path, files: Iterable[str], owned: Mapping[str, str]) -> list[str]:
    """Generated files on disk that are not rendered any more."""
    present = (
        path.relative_to(root).as_posix()
        for folder, pattern in owned.items()
        for path in (root / folder).glob(pattern)
    )
    rendered = set(files)
    return sorted(path for path in present if path not in rendered)


def write(
    root: Path, files: Mapping[str, str], owned: Mapping[str, str], *, force: bool = False
) -> list[str]:
    """Bring the files up to date; the paths that changed.

    Raises EditedError, and writes nothing, where a file to be replaced or removed was edited by
    hand, unless `force`.
    """
    changed = stale(root, files, owned)
    texts = {path: _read(root / path) for path in changed}
    edited = [path for path, text in texts.items() if text is not None and is_edited(text)]
    if edited and not force:
        raise EditedError(edited)
    for path in changed:
        if path in files:
            _replace(root / path, files[path])
        else:
            (root / path).unlink()
    return changed


def _read(path: Path) -> str | None:
    try:
        return path.read_bytes().decode(errors="replace")
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
