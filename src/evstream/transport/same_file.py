"""Refuse to write to a file that is read at the same time.

Names are not enough: hard and symbolic links, /dev/fd and /dev/stdin give a file several names, and
a shell opens it as stdin or stdout. So files are compared by device and inode. A pipe, a terminal
or /dev/null may be both input and output.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterable
from typing import Any

from evstream.errors import EvstreamError
from evstream.transport.polling import descriptor_of
from evstream.transport.range_file import is_url, local_path, shown


def refuse_same_file(sources: Iterable[Any], targets: Iterable[Any]) -> None:
    """Raise EvstreamError if a regular file is among the sources and the targets.

    Each is a path, a descriptor or a file object; "-" is stdin as a source, and stdout as a
    target.
    """
    places: dict[Any, Any] = {
        place: target for target in targets if (place := _place(target, sys.stdout))
    }
    for source in sources if places else ():
        target = places.get(_place(source, sys.stdin))
        if target is not None:
            problem = f"the output would overwrite this input ({_name(target, '<stdout>')})"
            raise EvstreamError(
                problem, source=_name(source, "<stdin>"), expected="another file for the output"
            )


def is_same_place(one: Any, other: Any) -> bool:
    """Whether two targets are the same file, which need not exist yet, or the same pipe, in which
    they would mix."""
    paths = [local_path(os.fspath(t)) for t in (one, other) if isinstance(t, (str, os.PathLike))]
    if len(paths) == 2 and len({p if p == "-" else os.path.realpath(p) for p in paths}) == 1:
        return True
    place = _place(one, sys.stdout, pipes=True)
    return place is not None and place == _place(other, sys.stdout, pipes=True)


def _place(file: Any, standard: Any, *, pipes: bool = False) -> tuple[int, int] | str | None:
    """(device, inode) of a regular file, with `pipes` of a pipe or socket too, or the URL of an
    object; None for anything else, and if there is no file yet."""
    file = local_path(file)
    if is_url(file):
        scheme, _, path = str(file).partition("://")
        return f"{scheme.lower()}://{path.lstrip('/')}"  # memory:///a is memory://a
    try:
        if isinstance(file, str) and file == "-":
            file = standard
        is_path = isinstance(file, (str, bytes, os.PathLike))
        known = file if is_path or isinstance(file, int) else descriptor_of(file)
        found = None if known is None else os.stat(known)
    except (OSError, OverflowError, ValueError):
        return None
    if found is None:
        return None
    kinds = {stat.S_IFREG, stat.S_IFIFO, stat.S_IFSOCK} if pipes else {stat.S_IFREG}
    return (found.st_dev, found.st_ino) if stat.S_IFMT(found.st_mode) in kinds else None


def _name(file: Any, standard: str) -> str:
    if isinstance(file, (str, os.PathLike)):
        return standard if file == "-" else shown(os.fspath(file))
    return f"<fd {file}>" if isinstance(file, int) else str(getattr(file, "name", file))
