"""Keep bytes that were read too early."""

from __future__ import annotations

import tempfile

IN_MEMORY = 16 << 20
"""Bytes of a backlog that are kept in memory; the rest goes to a temporary file."""


class Backlog:
    """Bytes in order of arrival, the first 16 MiB in memory, the rest in an unnamed file."""

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115
        self._read = self._written = 0

    def __del__(self) -> None:
        self._file.close()

    def __bool__(self) -> bool:
        return self._read < self._written

    def append(self, data: memoryview) -> None:
        """Add bytes at the end."""
        self._file.seek(self._written)
        self._file.write(data)
        self._written += len(data)

    def readinto(self, view: memoryview) -> int:
        """Move the oldest bytes into `view`; the number of bytes."""
        self._file.seek(self._read)
        data = self._file.read(len(view))
        view[: len(data)] = data
        self._read += len(data)
        if not self:
            self._file.seek(0)
            self._file.truncate()
            self._read = self._written = 0
        return len(data)
