"""A file that is open only while it is read."""

from __future__ import annotations

from evstream.transport.guard import FileState, refuse_change


class ReopenedFile:
    """A regular file that is opened anew for each read, at the place where the last read ended.

    So a program can read any number of files in turn with a single descriptor. Each read checks
    that the path still names the same file, and that it is unchanged.
    """

    def __init__(self, path: str) -> None:
        self.name = path
        self._offset = 0
        self._state: FileState | None = None

    def readinto(self, view: memoryview) -> int:
        """Read into `view`; 0 at the end of the file."""
        with open(self.name, "rb", buffering=0) as file:
            found = FileState.of(file.fileno())
            self._state = self._state or found
            if self._state is not None:
                refuse_change(self._state, found, self.name, self._offset)
            file.seek(self._offset)
            size = file.readinto(view) or 0
        self._offset += size
        return size
