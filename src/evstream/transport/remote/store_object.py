"""One object of a store that obstore serves."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator, Mapping
from typing import Any

from evstream.errors import TruncatedStreamError
from evstream.extras import import_extra
from evstream.transport.range_file import FileFacts, refuse_other_file
from evstream.transport.remote.failures import named_failures
from evstream.transport.remote.stores import store_of
from evstream.transport.remote.urls import Url

PIECE = 1 << 20
"""Bytes of an answer that are copied at once."""

MOST_RESUMES = 5
"""Broken connections in one range, as long as each has brought some bytes."""


class StoreObject:
    """An object, read by requests for ranges. Each answer must be of the expected object, and as
    long as it was asked for."""

    def __init__(self, url: Url, options: Mapping[str, Any] | None) -> None:
        self._name, self._key, self._options = url.shown, url.key, options
        self._is_signed = url.scheme in {"http", "https"}  # maybe for GET only
        with named_failures(self._name, options):
            self._store = store_of(url, options)
        self._obstore = import_extra("obstore")

    def first(self, size: int) -> tuple[FileFacts, bytes]:
        """The state of the object and its first bytes, by one request unless it is empty."""
        try:
            with named_failures(self._name, self._options):
                answer = self._obstore.get(self._store, self._key, options={"range": (0, size)})
                facts = _facts(answer.meta)
            with named_failures(self._name, self._options, 0):
                data = bytes(answer.bytes())
        except OSError as error:
            if _BEYOND.search(str(error)) is None:
                raise
            facts, data = self._head(), b""
        wanted = min(size, facts.size)
        if len(data) != wanted:
            raise _short(self._name, len(data), wanted)
        return facts, data

    def facts(self) -> FileFacts:
        """The state of the object now."""
        return self.first(1)[0] if self._is_signed else self._head()

    def _head(self) -> FileFacts:
        with named_failures(self._name, self._options):
            return _facts(self._obstore.head(self._store, self._key))

    def read(self, facts: FileFacts, offset: int, view: memoryview) -> None:
        """Fill `view` with the bytes from `offset` on; see RangeFile."""
        options: dict[str, Any] = {}
        if facts.tag.startswith('"'):  # a weak tag matches nothing
            options["if_match"] = facts.tag
        done = resumes = 0
        while done < len(view):
            at, before = offset + done, done
            options["range"] = (at, offset + len(view))
            try:
                with named_failures(self._name, self._options, at):
                    answer = self._obstore.get(self._store, self._key, options=options)
            except OSError as error:
                if _BEYOND.search(str(error)):
                    refuse_other_file(facts, self._head(), self._name, at)
                raise
            refuse_other_file(facts, _facts(answer.meta), self._name, at)
            try:
                with named_failures(self._name, self._options, at):
                    for piece in answer.stream(min_chunk_size=PIECE):
                        data = memoryview(piece)
                        if done + len(data) > len(view):
                            raise _short(self._name, offset + done + len(data), offset + len(view))
                        view[done : done + len(data)] = data
                        done += len(data)
            except OSError:
                resumes += 1
                if done == before or resumes > MOST_RESUMES:
                    raise
                continue
            if done < len(view):
                raise _short(self._name, offset + done, offset + len(view))

    def whole(self) -> tuple[FileFacts, Iterator[Any]]:
        """The state of the object, and its bytes in pieces, by one request; for a server that sends
        no ranges."""
        with named_failures(self._name, self._options):
            answer = self._obstore.get(self._store, self._key)
            return _facts(answer.meta), iter(answer.stream(min_chunk_size=PIECE))


def stored(url: Url, options: Mapping[str, Any] | None, recursive: bool) -> dict[str, FileFacts]:
    """The objects of a store whose names begin with the key, which ends with "/" or is empty; not
    those of its folders unless `recursive`."""
    obstore = import_extra("obstore")
    with named_failures(url.shown, options):
        store, prefix = store_of(url, options), url.key or None
        if not recursive:
            found = obstore.list_with_delimiter(store, prefix)["objects"]
        else:
            found = [meta for batch in obstore.list(store, prefix) for meta in batch]
        return {meta["path"]: _facts(meta) for meta in found}


def _facts(meta: Mapping[str, Any]) -> FileFacts:
    tag = meta["e_tag"]
    if not tag:
        modified: datetime.datetime = meta["last_modified"]
        tag = modified.isoformat() if modified.timestamp() else ""
    return FileFacts(int(meta["size"]), str(tag))


_BEYOND = re.compile(r"\b416\b")
"""The status of a range beyond the end of an object."""


def _short(name: str, end: int, wanted: int) -> TruncatedStreamError:
    if end > wanted:
        return TruncatedStreamError(
            "the server sent more bytes than the range has", source=name, offset=wanted,
        )  # fmt: skip
    return TruncatedStreamError(
        "the server sent a short range", source=name, offset=end,
        expected=f"{wanted - end} more bytes",
    )  # fmt: skip
