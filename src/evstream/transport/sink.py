"""Where bytes go: paths, "-", descriptors, pipes, sockets, file objects.

A file takes its name only when it is complete: until then the bytes lie beside it under a
hidden name. Every write goes on until all bytes are taken, waiting where the reader is
slow or the end is non-blocking.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import re
import secrets
import stat
import sys
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any

from evstream._support import unfinished
from evstream.errors import WriteError
from evstream.transport.polling import descriptor_of, is_writable, wait_writable, widen_pipe
from evstream.transport.source import name_of


def write_all(
    write: Callable[[memoryview], int | None],
    view: memoryview,
    stream: Any,
    count: Callable[[int], None] = lambda size: None,
) -> None:
    """Write every byte of `view`, waiting on `stream` where a write takes only a part.

    `count` is told the size of each part that was taken.
    """
    while view:
        try:
            size = write(view)
        except BlockingIOError as full:
            size = getattr(full, "characters_written", 0)
        if size:
            count(size)
            view = view[size:]
        else:
            _wait(stream)


def flush_all(stream: Any) -> None:
    """Flush a buffered stream to its end, non-blocking ones included."""
    while True:
        try:
            stream.flush()
            return
        except BlockingIOError:
            _wait(stream)


def _wait(stream: Any) -> None:
    descriptor = descriptor_of(stream)
    if descriptor is None:
        raise BlockingIOError(f"{stream!r} takes no data and there is nothing to wait on")
    wait_writable(descriptor)


class Sink:
    """An open target of bytes.

    Attributes:
        name: for messages: the path, "<stdout>", or what the object calls itself.
        written: number of bytes so far.
        is_file: whether the result appears under its name only on `close`.
        given_up: whether `abort` was called; nothing can be written any more.
    """

    def __init__(self, target: Any) -> None:
        self.name = _name(target)
        self.written = 0
        self.given_up = False
        self._final: str | None = None
        self._temporary: str | None = None
        self._owned = False
        self._stream = self._opened(target)
        descriptor = descriptor_of(self._stream)
        if descriptor is not None and not self.is_file:
            widen_pipe(descriptor)
        self._write = getattr(self._stream, "send", None) or self._stream.write

    @property
    def is_file(self) -> bool:
        return self._final is not None

    @property
    def takes_now(self) -> bool:
        """Whether a write of a few bytes does not have to wait."""
        descriptor = descriptor_of(self._stream)
        return descriptor is None or is_writable(descriptor)

    def write(self, view: memoryview) -> None:
        """Write all of `view`. BrokenPipeError when the reader is gone, WriteError when
        the system refuses for another reason."""
        if self.given_up:
            raise ValueError(f"{self.name}: given up")
        with self._errors_named():
            write_all(self._write, view, self._stream, self._count)

    def _count(self, size: int) -> None:
        self.written += size

    def flush(self) -> None:
        """Hand on what the target itself buffers; raises as `write` does."""
        if hasattr(self._stream, "flush"):
            with self._errors_named():
                flush_all(self._stream)

    def close(self) -> None:
        """Complete: flush, close what was opened here, and give a file its name."""
        self.flush()
        with self._errors_named():
            if self._owned:
                self._owned = False
                self._stream.close()
            if self._temporary is not None and self._final is not None:
                os.replace(self._temporary, self._final)
                unfinished.discard(self._temporary)
                self._temporary = None

    def abort(self) -> None:
        """Give up: a file leaves nothing behind, whatever else was opened is closed."""
        self.given_up = True
        with contextlib.suppress(OSError):
            if self._owned:
                self._owned = False
                self._stream.close()
        if self._temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(self._temporary)
            unfinished.discard(self._temporary)
            self._temporary = None

    def __enter__(self) -> Sink:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()

    @contextlib.contextmanager
    def _errors_named(self) -> Iterator[None]:
        """Make a WriteError of what the system says, unless the reader is gone."""
        try:
            yield
        except BrokenPipeError:
            raise
        except OSError as error:
            reason = error.strerror or str(error)
            raise WriteError(
                f"could not write: {reason}", source=self.name, offset=self.written
            ) from error

    def _opened(self, target: Any) -> Any:
        if target == "-":
            sys.stdout.flush()
            return getattr(sys.stdout, "buffer", sys.stdout)
        if isinstance(target, (str, os.PathLike)):
            return self._opened_path(os.fspath(target))
        if isinstance(target, int):
            return io.FileIO(target, "wb", closefd=False)
        if isinstance(target, io.TextIOBase):
            raise TypeError(f"{target!r} is a text file, expected one open in binary mode")
        if not hasattr(target, "write") and not hasattr(target, "send"):
            raise TypeError(f"cannot write to {target!r}: expected a path or binary file")
        return target

    def _opened_path(self, path: str) -> Any:
        standing = _OPEN_ALREADY.fullmatch(path)
        if standing is not None:  # a new file of that name would not be what it stands for
            sys.stdout.flush()
            number = {"stdout": 1, "stderr": 2}.get(standing[1]) or int(standing[2])
            return io.FileIO(number, "wb", closefd=False)
        self._owned = True
        if not os.path.basename(path):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        mode = None
        with contextlib.suppress(FileNotFoundError):
            mode = os.stat(path).st_mode
        if mode is not None and not stat.S_ISREG(mode):
            return open(path, "wb", buffering=0)  # a FIFO or device has no final name
        if mode is not None and not os.access(path, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        self._final = os.path.realpath(path)
        folder, name = os.path.split(self._final)
        shorter = os.fsdecode(os.fsencode(name)[:200])  # a name has room for 255 bytes
        self._temporary = os.path.join(folder, f".{shorter}.{secrets.token_hex(4)}.part")
        unfinished.add(self._temporary)
        try:
            descriptor = os.open(self._temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        except OSError as error:
            unfinished.discard(self._temporary)
            error.filename = path  # the hidden name would say nothing to anybody
            raise
        if mode is not None:
            os.fchmod(descriptor, stat.S_IMODE(mode))
        return io.FileIO(descriptor, "wb")


_OPEN_ALREADY = re.compile(r"/dev/(stdout|stderr)|(?:/dev|/proc/self)/fd/([0-9]+)", re.ASCII)
"""Paths that stand for a descriptor, whatever is behind it."""


class SinkFile(io.RawIOBase):
    """A sink as a binary file object, for libraries that write to one.

    What they write after the sink was given up is dropped: some complete their file when
    they are thrown away, and nobody is there to hear of an error then.
    """

    def __init__(self, sink: Sink) -> None:
        self.sink = sink

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        if not self.sink.given_up:
            self.sink.write(view)
        return len(view)

    def tell(self) -> int:
        return self.sink.written


def _name(target: Any) -> str:
    if target == "-":
        return "<stdout>"
    if isinstance(target, (str, os.PathLike)):
        return os.fspath(target)
    return f"<fd {target}>" if isinstance(target, int) else name_of(target)
