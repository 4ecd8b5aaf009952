"""Write bytes to paths, "-", descriptors, pipes, sockets and file objects.

A file gets its name only when it is complete (see `whole_file`), and so does an object of a store
(see `remote.upload`). Every write goes on until all bytes are taken; it waits if the reader is
slow, also on a non-blocking descriptor.
"""

from __future__ import annotations

import contextlib
import errno
import importlib
import io
import os
import re
import stat
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any

from evstream._support.arguments import checked_path, described, one_line, refuse_other_options
from evstream.errors import WriteError
from evstream.transport.environment import durable_of
from evstream.transport.file_objects import (
    flush_all,
    name_of,
    opened_descriptor,
    refuse_closed,
    write_all,
)
from evstream.transport.polling import (
    descriptor_of,
    is_writable,
    widen_pipe,
)
from evstream.transport.range_file import is_url, local_path, shown, tag_of
from evstream.transport.whole_file import WholeFile

if TYPE_CHECKING:
    from evstream.transport.remote.upload import Upload


class Sink:
    """An open target of bytes.

    Unless `durable` is False, a file is on the disk before it gets its name.

    Attributes:
        name: for messages: the path, "<stdout>", or the name of the object.
        written: number of bytes so far.
        is_file: whether the target is a file or object that gets its name on `close`.
        given_up: whether `abort` was called; nothing can be written any more.
    """

    def __init__(
        self,
        target: Any,
        *,
        durable: bool | None = None,
        storage_options: Mapping[str, Any] | None = None,
    ) -> None:
        target = local_path(target)
        self.name = _name(target)
        refuse_other_options(storage_options)
        self._storage_options = storage_options
        self.written = 0
        self.given_up = self._closed = False
        self._durable = durable_of(durable)
        self._file: WholeFile | Upload | None = None
        self._owned = False
        try:
            self._stream = self._opened(target)
            descriptor = descriptor_of(self._stream)
            if descriptor is not None and not self.is_file:
                widen_pipe(descriptor)
            self._write = _writer_of(self._stream)
        except BaseException:
            self.abort()
            raise

    @property
    def is_file(self) -> bool:
        return self._file is not None

    @property
    def is_in_place(self) -> bool:
        """Whether the file has its name."""
        return self._file is not None and self._file.is_in_place

    @property
    def tag(self) -> str:
        """The tag of the file as it is now, see `range_file`; "" if the target is not a file, and
        of an object, which gets its tag when it is complete. The system need not record the time
        of a write before the file is on the disk."""
        if not isinstance(self._file, WholeFile):
            return ""
        if self._durable:
            os.fsync(self._file.fileno())
        return tag_of(self._file.fileno())

    @property
    def takes_now(self) -> bool:
        """Whether a write of a few bytes does not have to wait."""
        descriptor = descriptor_of(self._stream)
        return descriptor is None or is_writable(descriptor)

    def write(self, view: memoryview) -> None:
        """Write all of `view`. Raises BrokenPipeError if the reader is gone, WriteError for any
        other failure."""
        if self.given_up:
            raise ValueError(f"{one_line(self.name)}: the output was given up after an error")
        with self._errors_named():
            write_all(self._write, view, self._stream, self._count)

    def _count(self, size: int) -> None:
        self.written += size

    def flush(self) -> None:
        """Flush the buffer of the target, if it has one; raises the same errors as `write`."""
        if hasattr(self._stream, "flush"):
            with self._errors_named():
                flush_all(self._stream)

    def close(self) -> None:
        """Flush, close the target if it was opened here, and give a file its name. After a failure
        the sink is given up. Does nothing once the sink is closed or given up."""
        if self.given_up or self._closed:
            return
        try:
            self.flush()
            with self._errors_named():
                if self._file is not None:
                    self._file.commit()
                elif self._owned:
                    self._owned = False
                    self._stream.close()
            self._closed = True
        except BaseException:
            self.abort()
            raise

    def abort(self) -> None:
        """Give up: remove an incomplete file, close anything else that was opened here."""
        self.given_up = True
        if self._file is not None:
            self._file.abort()
        elif self._owned:
            self._owned = False
            with contextlib.suppress(OSError):
                self._stream.close()

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

    def commit_with(self, *others: Sink) -> None:
        """`close` this sink and others; if one fails, no file replaces an old one.

        The others are small, such as a seal: the files that they replace are kept in memory
        meanwhile.
        """
        restorers: list[Callable[[], None]] = []
        try:
            for other in others:
                restorers.append(other._restorer())
                other.close()
            self.close()
        except BaseException:
            if not self.is_in_place:
                for restore in restorers:
                    restore()
            for sink in (*others, self):
                sink.abort()
            raise

    def _restorer(self) -> Callable[[], None]:
        """A function that restores the file that has the name now."""
        return (lambda: None) if self._file is None else self._file.restorer()

    @contextlib.contextmanager
    def _errors_named(self) -> Iterator[None]:
        """Turn an OSError into a WriteError; if the reader is gone, the error gets the name."""
        try:
            yield
        except BrokenPipeError as error:
            if error.filename is None:
                error.filename = self.name
            raise
        except ValueError:
            refuse_closed(self._stream, f"{self.name}: byte {self.written}")
            raise
        except OSError as error:
            reason = error.strerror or str(error)
            raise WriteError(
                f"could not write: {reason}", source=self.name, offset=self.written
            ) from error

    def _opened(self, target: Any) -> Any:
        if isinstance(target, str) and target == "-":
            sys.stdout.flush()
            return getattr(sys.stdout, "buffer", sys.stdout)
        if is_url(target):
            upload = importlib.import_module("evstream.transport.remote.upload")
            self._file = upload.Upload(target, self._storage_options)
            return self._file
        if isinstance(target, (str, os.PathLike)):
            return self._opened_path(checked_path(target))
        if isinstance(target, int):
            return opened_descriptor(target, "wb")
        if isinstance(target, io.TextIOBase):
            raise TypeError(f"{described(target)} is a text file, expected one open in binary mode")
        if not hasattr(target, "write") and not hasattr(target, "send"):
            raise TypeError(f"cannot write to {described(target)}: expected a path or binary file")
        refuse_closed(target)
        return target

    def _opened_path(self, path: str) -> Any:
        standing = _OPEN_ALREADY.fullmatch(path)
        if standing is not None:  # such a path names an open descriptor
            sys.stdout.flush()
            number = {"stdout": 1, "stderr": 2}.get(standing[1]) or int(standing[2])
            return opened_descriptor(number, "wb")
        if not os.path.basename(path):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        is_regular = True
        with contextlib.suppress(FileNotFoundError):
            is_regular = stat.S_ISREG(os.stat(path).st_mode)
        if not is_regular:  # a FIFO or device is opened as it is
            stream = open(path, "wb", buffering=0)  # noqa: SIM115 (`close` and `abort` close it)
            self._owned = True
            return stream
        self._file = WholeFile(path, durable=self._durable)
        return self._file


def _writer_of(stream: Any) -> Callable[[memoryview], int | None]:
    if hasattr(stream, "write"):
        return stream.write  # type: ignore[no-any-return]

    def send(view: memoryview) -> int | None:
        size = stream.send(view)
        return -1 if size is None else size  # a socket always returns a count

    return send


_OPEN_ALREADY = re.compile(r"/dev/(stdout|stderr)|(?:/dev|/proc/self)/fd/([0-9]+)", re.ASCII)
"""Paths of open descriptors."""


def staged(
    pieces: Iterable[bytes],
    target: Any,
    *,
    durable: bool | None = None,
    storage_options: Mapping[str, Any] | None = None,
) -> Sink:
    """A sink that holds all of a small file, which appears when the sink is closed."""
    sink = Sink(target, durable=durable, storage_options=storage_options)
    try:
        for piece in pieces:
            sink.write(memoryview(piece))
    except BaseException:
        sink.abort()
        raise
    return sink


class SinkFile(io.RawIOBase):
    """A sink as a binary file object, for libraries that write to one.

    Writes after the sink was given up are dropped: some libraries complete their file when they
    are deleted, where an error would be lost.
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
    if isinstance(target, str) and target == "-":
        return "<stdout>"
    if isinstance(target, (str, os.PathLike)):
        return shown(os.fspath(target))
    return f"<fd {target}>" if isinstance(target, int) else name_of(target)
