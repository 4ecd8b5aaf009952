"""Write the rows of Spark as streams in a folder, one for each of its tasks.

A task may run twice: after a failure, or at the same time elsewhere. So each attempt writes a file
of its own, and which of them count is known when the job commits. Local files are hidden until
then. An object of a store cannot change its name, so it is visible when its task is done; the job
removes those that do not count.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import secrets
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import TYPE_CHECKING, Any

from evstream._support.known_formats import stream_header_fields
from evstream.engines.spark_options import (
    lowered,
    number_in,
    path_in,
    storage_options_in,
    widths_in,
)
from evstream.extras import import_extra
from evstream.tables.write import write_arrow
from evstream.transport.listing import STREAM_ENDINGS
from evstream.transport.range_file import is_url, local_path
from evstream.wire.header import StreamHeader
from evstream.wire.header_bytes import build_header

if TYPE_CHECKING:
    from pyarrow import RecordBatch
    from pyspark.sql.datasource import DataSourceArrowWriter, WriterCommitMessage
else:
    _source = import_extra("pyspark.sql.datasource")
    DataSourceArrowWriter = _source.DataSourceArrowWriter
    WriterCommitMessage = _source.WriterCommitMessage


class Written(WriterCommitMessage):
    """The file that a task has written; None if it had no rows."""

    def __init__(self, path: str | None) -> None:
        self.path = path


class StreamWriter(DataSourceArrowWriter):
    """Writes rows, which must come in the order of a stream in each task."""

    def __init__(self, options: Mapping[str, str], overwrite: bool) -> None:
        options = lowered(options)
        self._folder: str = local_path(path_in(options, "save('out')")).rstrip("/")
        self._overwrite = overwrite
        self._job = secrets.token_hex(4)
        self._header = _header_in(options)
        self._storage = storage_options_in(options)
        if not is_url(self._folder):
            os.makedirs(self._folder, exist_ok=True)

    def write(self, iterator: Iterator[RecordBatch]) -> WriterCommitMessage:
        """In a worker: write the rows of one task."""
        first = next(iterator, None)
        if first is None:
            return Written(None)
        context = import_extra("pyspark").TaskContext.get()
        number = context.partitionId() if context is not None else 0
        hidden = "" if is_url(self._folder) else "."
        name = f"{hidden}part-{number:05}-{self._job}-{secrets.token_hex(4)}.bin"
        path = f"{self._folder}/{name}"
        header = self._header
        write_arrow(
            chain([first], iterator),
            path,
            header.stream,
            widths=header.widths,
            storage_options=self._storage,
            **header.values,
        )
        return Written(path)

    def commit(self, messages: list[WriterCommitMessage | None]) -> None:
        """At the end of the job: give the files their names, and remove those that do not count."""
        counted = {m.path for m in messages if isinstance(m, Written) and m.path is not None}
        if self._overwrite:
            for path in self._files(STREAM_ENDINGS):
                if path not in counted:
                    self._remove(path)
        for path in self._of_job():
            if path not in counted:
                self._remove(path)
        if not is_url(self._folder):
            for path in sorted(counted):
                folder, name = os.path.split(path)
                os.replace(path, os.path.join(folder, f"{name[1:].rpartition('-')[0]}.bin"))

    def abort(self, messages: list[WriterCommitMessage | None]) -> None:
        """After a failure: remove what the tasks of this job have written."""
        for path in self._of_job():
            self._remove(path)

    def _of_job(self) -> list[str]:
        return [path for path in self._files(".bin") if f"-{self._job}-" in path]

    def _files(self, endings: str | tuple[str, ...]) -> list[str]:
        if is_url(self._folder):
            remote = importlib.import_module("evstream.transport.remote")
            try:
                names = list(remote.list_facts(f"{self._folder}/*", self._storage))
            except FileNotFoundError:
                names = []
        else:
            names = [f"{self._folder}/{name}" for name in sorted(os.listdir(self._folder))]
        return [name for name in names if name.endswith(endings)]

    def _remove(self, path: str) -> None:
        if is_url(path):
            upload = importlib.import_module("evstream.transport.remote.upload")
            upload.remove(path, self._storage)
            return
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


def _header_in(options: Mapping[str, str]) -> StreamHeader:
    """The stream header that the options name. Raises as evstream.create does."""
    fields = stream_header_fields(None)
    values: dict[str, Any] = {
        name: number_in(options[name.lower()], name) for name in fields if name.lower() in options
    }
    return build_header(options.get("stream"), values, widths_in(options))
