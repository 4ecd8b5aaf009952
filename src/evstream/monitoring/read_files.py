"""How many bytes of which files are read, by open sources that are asked for their offsets."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

from evstream._support.arguments import one_line
from evstream.transport import watching


class _File:
    """What is known of a file, or of another source: its bytes, and how many are read."""

    def __init__(self) -> None:
        self.expected: int | None = 0  # by who reads several
        self.whole: int | None = 0
        self.stretches = self.some = 0
        self.has_some = False
        self.done = self.done_some = 0  # by what is closed
        self.open: dict[int, Callable[[], watching.Counted | None]] = {}

    @property
    def total(self) -> int | None:
        if self.has_some:
            return self.some
        if self.whole is None or (self.expected is None and not self.whole and not self.stretches):
            return None
        # A part may be opened again, but not a file that nobody expects.
        return max(self.expected or 0, self.whole) or self.stretches


class ReadFiles:
    """The files, pipes and objects that are read together.

    A file counts once however often it is opened: for its header, in parts, by its index.
    """

    def __init__(self) -> None:
        self._files: dict[Any, _File] = {}
        self._names: dict[Any, str] = {}
        self._places: dict[int, tuple[_File | None, str]] = {}
        self._last: dict[int, int] = {}
        self._held: dict[int, Any] = {}

    @property
    def are_open(self) -> bool:
        """Whether a source is being read."""
        return bool(self._places)

    @property
    def are_known(self) -> bool:
        """Whether a file is open, or expected."""
        return bool(self._files)

    def expect(self, sizes: Iterable[tuple[Any, int | None]]) -> None:
        """These will be read, by name, with their sizes; see Watcher."""
        found: dict[Any, int | None] = {}
        for key, size in sizes:
            if not isinstance(key, str):
                continue
            before = found.get(key, 0)
            found[key] = None if size is None or before is None else before + size
        for key, total in found.items():
            file = self._files.setdefault(key, _File())
            self._names[key] = key
            file.expected = None if total is None else max(file.expected or 0, total)

    def opened(
        self, number: int, reference: Any, source: watching.Counted, size: int | None, kind: str
    ) -> None:
        """A source is read."""
        if kind == watching.SEVERAL:
            self._places[number] = None, kind
            self._held[number] = reference
            return
        is_named = size is not None and not source.name.startswith("<")
        key = source.name if is_named or source.name in self._files else number
        file = self._files.setdefault(key, _File())
        self._names[key] = source.name
        if kind == watching.SOME:
            file.has_some, file.some = True, file.some + (size or 0)
        elif kind == watching.STRETCH:
            file.stretches += size or 0
        elif size is None:
            if not file.total:  # else a file that is read through an object
                file.whole = None
        elif file.whole is not None:
            file.whole = max(file.whole, size)
        self._places[number] = file, kind
        file.open[number] = reference

    def closed(self, number: int) -> None:
        """A source is closed, or collected."""
        file, kind = self._places.pop(number, (None, ""))
        self._held.pop(number, None)
        if file is None:
            return
        source, done = file.open.pop(number)(), self._last.pop(number, 0)
        if source is not None:  # a file that another reads through it may be closed already
            done = max(done, source.offset())
        if kind == watching.SOME:
            file.done_some += done
        else:
            file.done += done

    def measured(self) -> tuple[int, int | None]:
        """Bytes that are read, and all; None where that is not known."""
        done, total, is_known = 0, 0, bool(self._files)
        for file in list(self._files.values()):
            read = file.done_some if file.has_some else file.done
            for number, reference in list(file.open.items()):
                is_some = self._places.get(number, (None, ""))[1] == watching.SOME
                source = reference()
                if source is not None and is_some == file.has_some:
                    self._last[number] = offset = source.offset()
                    read += offset
            size = file.total
            # A file may be opened again, first for its header, or be read twice.
            done += read if size is None else min(read, size)
            is_known &= size is not None
            total += size or 0
        return done, total if is_known and total else None

    def name(self) -> str:
        """What a bar is called: the name of the one file, or how many there are."""
        if len(self._files) != 1:
            return f"{len(self._files)} files"
        (name,) = self._names.values()
        return one_line(os.path.basename(name) or name)
