"""Seals: proof that a stream is all there, kept in a small file next to it.

Nothing in the format shows that a stream was cut exactly between two blocks. A seal says how
many bytes, events, blocks and records there are and has a checksum for every megabyte. It is
made by the program that writes the stream (`evstream.create(..., seal=True)`), by a pipe that
the stream goes through (`evstream tee --seal`), or afterwards (`evstream seal`).
"""

from __future__ import annotations

import errno
import json
import os
import stat
from collections.abc import Collection, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from evstream._support.arguments import described
from evstream._support.checksum import crc32
from evstream._support.format import Format
from evstream.errors import SealError
from evstream.reading.follower import Follower
from evstream.transport.range_file import beside, is_url, local_path, shown
from evstream.transport.sink import Sink, staged
from evstream.transport.source import Source
from evstream.wire.columns import Array, differ, run_starts
from evstream.wire.header import StreamHeader

RANGE = 1 << 20
"""Bytes per checksum."""

LONGEST = 1 << 26
"""Bytes of a seal, enough for a stream of 5 TB."""

SUFFIX = ".seal"
VERSION = 1


@dataclass
class Seal:
    """What a stream was when it was sealed.

    Attributes:
        stream, header, widths: as in StreamHeader.
        bytes, events, blocks, records: how much there is; `events` counts how often the
            event id changes.
        checksums: CRC-32 of each RANGE bytes, the last of what is left.
        complete: whether the stream was written to its end.
    """

    stream: str = ""
    header: dict[str, int] = field(default_factory=dict)
    widths: dict[str, str] = field(default_factory=dict)
    bytes: int = 0
    events: int = 0
    blocks: int = 0
    records: int = 0
    checksums: list[int] = field(default_factory=list)
    complete: bool = False

    def write(self, target: Any, *, durable: bool | None = None) -> None:
        """Write the seal; a file appears whole."""
        with self.staged(target, durable=durable):
            pass

    def staged(
        self,
        target: Any,
        *,
        durable: bool | None = None,
        storage_options: Mapping[str, Any] | None = None,
    ) -> Sink:
        """The written seal, which appears when the sink is closed."""
        text = json.dumps({"evstream_seal": VERSION, **asdict(self)})
        data = text.encode() + b"\n"
        return staged([data], target, durable=durable, storage_options=storage_options)

    @classmethod
    def read(cls, path: str | Path, timeout: float | None = None) -> Seal:
        """Read a seal.

        Raises SealError for a file that is not a seal or has more than LONGEST bytes, StallError
        when a pipe gives nothing for `timeout` seconds, OSError for a file that cannot be read,
        TypeError for what is not a path.
        """
        if not isinstance(path, (str, os.PathLike)):
            raise TypeError(f"the seal is {described(path)}, expected a path")
        name, text = shown(str(path)), _read_bounded(os.fspath(path), timeout)
        try:
            fields = json.loads(text)
            version = fields.pop("evstream_seal")
            if version != VERSION:
                raise SealError(f"version {version}", source=name, expected=str(VERSION))
            seal = cls(**fields)
            seal._refuse_nonsense()
            return seal
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise SealError(f"not a seal ({error})", source=name) from None

    @classmethod
    def beside(cls, file: str, timeout: float | None = None) -> Seal | None:
        """The seal of a file or remote object, None where there is none next to it.

        Raises as `read` does, also for a link that leads nowhere and for what is not a regular
        file: a seal that cannot be read is not the same as none.
        """
        path = seal_path(local_path(file))
        if is_url(path):
            try:
                return cls.read(path, timeout)
            except FileNotFoundError:
                return None
        try:
            os.lstat(path)
        except OSError as error:
            if error.errno in {errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG}:
                return None
            raise
        try:
            refuse_irregular(path)
        except FileNotFoundError:
            raise SealError(
                "the seal is a link that leads nowhere", source=path, expected="a seal, or no link"
            ) from None
        return cls.read(path, timeout)

    def _refuse_nonsense(self) -> None:
        """Raise TypeError or ValueError for what no seal says."""
        for f in fields(self):
            value, default = getattr(self, f.name), getattr(Seal(), f.name)
            if type(value) is not type(default):
                raise TypeError(f"{f.name} is {value!r}")
        ranges = -(-self.bytes // RANGE)
        if len(self.checksums) != ranges:
            raise ValueError(f"{len(self.checksums)} checksums for {ranges} ranges of bytes")

    def differences(self, found: Seal, used: Collection[str]) -> list[tuple[int | None, str]]:
        """(byte offset, what) for each way in which `found` is not what was sealed. Only the
        widths of `used` scalar types are compared: of others the environment may say anything."""
        differences: list[tuple[int | None, str]] = []
        if not self.complete:
            differences.append((None, "the stream was not complete when it was sealed"))
        for name in ("stream", "header", "widths", "bytes", "events", "blocks", "records"):
            sealed, now = getattr(self, name), getattr(found, name)
            if name == "widths":
                sealed, now = ({n: w for n, w in s.items() if n in used} for s in (sealed, now))
            if sealed != now:
                end = found.bytes if name == "bytes" else None
                differences.append((end, f"{name} {now}, expected {sealed} by the seal"))
        for number, (sealed, now) in enumerate(zip(self.checksums, found.checksums, strict=False)):
            is_last_of_cut = found.bytes < self.bytes and number == len(found.checksums) - 1
            if sealed != now and not is_last_of_cut:
                last = min((number + 1) * RANGE, found.bytes) - 1
                where = f"bytes {number * RANGE} to {last}"
                differences.append((number * RANGE, f"{where} are not those that were sealed"))
        return differences


class Sealer(Follower):
    """Makes a seal of the bytes of a stream as they go by.

    Attributes:
        seal: of what went by so far.
        unclosed: after `finish`, the error of a missing final delimiter; else None.
    """

    def __init__(
        self,
        source: str,
        header: StreamHeader | None = None,
        stream: str | None = None,
        widths: Mapping[str, str] | None = None,
        format: Format | None = None,
    ) -> None:
        self.seal = Seal()
        self._last_event: Any = None
        self._filled = 0
        super().__init__(source, header, stream, widths, format)

    def update(self, data: Any) -> None:
        """Take the next bytes, those of the stream header included; raises as a Follower does."""
        view = memoryview(data).cast("B")
        self._add_checksums(view)
        self.seal.bytes += len(view)
        super().update(view)

    @property
    def event(self) -> Any:
        """The event of the block that came last; None before the first."""
        tracker = self._tracker
        if tracker is not None and tracker.is_open:
            return tracker.open_event
        return self._last_event

    def finish(self) -> Seal:
        """At the end of the stream: judge it, and call the seal complete.

        Raises TruncatedStreamError or StreamHeaderError for one that is cut. What only misses
        its final delimiter is whole; see `unclosed`.
        """
        self._finish()
        tracker = self.tracker
        if tracker.is_open:  # a last block without its delimiter
            self._count_blocks(np.array([tracker.open_event]), np.array([tracker.state["entries"]]))
        self.seal.complete = True
        return self.seal

    def _add_checksums(self, view: memoryview) -> None:
        checksums = self.seal.checksums
        while view:
            if self._filled in {0, RANGE}:
                checksums.append(0)
                self._filled = 0
            piece = view[: RANGE - self._filled]
            checksums[-1] = crc32(piece, checksums[-1])
            self._filled += len(piece)
            view = view[len(piece) :]

    def _begin(self, header: StreamHeader) -> None:
        super()._begin(header)
        self.seal.stream = header.stream
        self.seal.header, self.seal.widths = dict(header.values), dict(header.widths)

    def _see(self, piece: memoryview) -> None:
        ended = self.tracker.ended
        self._count_blocks(ended.events, ended.entries)

    def _count_blocks(self, events: Array, entries: Array) -> None:
        seal = self.seal
        if len(events):
            goes_on = self._last_event is not None and not differ(self._last_event, events[0])
            seal.events += len(run_starts(events)) - int(goes_on)
            self._last_event = events[-1]
            seal.blocks += len(events)
            seal.records += int(entries.sum()) if self.tracker.has_entries else len(events)


def _read_bounded(path: str, timeout: float | None) -> bytes:
    """All bytes of a file, or of a pipe."""
    piece = bytearray(RANGE)
    parts, size = [], 0
    with closing(Source(path, expand=False, timeout=timeout)) as source:
        while count := source.readinto(memoryview(piece)):
            size += count
            if size > LONGEST:
                raise SealError(f"not a seal (more than {LONGEST:,} bytes)", source=source.name)
            parts.append(bytes(piece[:count]))
    return b"".join(parts)


def refuse_irregular(path: str) -> None:
    """Raise SealError for a FIFO, device or folder in the place of a seal, which the user did not
    ask to read from or write to."""
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise SealError("the seal is not a regular file", source=path, expected="a seal")


def seal_path(path: str) -> str:
    """Where the seal of a file or remote object is kept: next to it, with .seal after its name."""
    return beside(path, SUFFIX)
