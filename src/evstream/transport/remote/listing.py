"""The objects that a URL stands for: one, those that a pattern matches, or the streams in a folder.

A pattern has a "*", which stands for anything but "/", or "**/" for any folders. Names that begin
with a dot are hidden from both.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from evstream.errors import EvstreamError
from evstream.transport.compression import SUFFIXES
from evstream.transport.range_file import FileFacts
from evstream.transport.remote.other_object import listed
from evstream.transport.remote.remote_file import object_of
from evstream.transport.remote.store_object import stored
from evstream.transport.remote.urls import Url

_ENDINGS = (".bin", *(f".bin.{suffix}" for suffix in SUFFIXES))


def list_facts(url: str, storage_options: Mapping[str, Any] | None = None) -> dict[str, FileFacts]:
    """The objects that `url` stands for, sorted by name: URL -> state, which a list brings with it.

    Raises FileNotFoundError if nothing matches a pattern, EvstreamError for a folder without
    streams and for http(s), which cannot list.
    """
    parts = Url.of(url)
    if "*" not in url and not url.endswith("/"):
        return {url: object_of(url, storage_options).facts()}
    if parts.scheme in {"http", "https"}:
        raise EvstreamError(
            "a web server does not list its files", source=parts.shown,
            expected="the URL of each file",
        )  # fmt: skip
    folder, pattern = _divided(parts.key)
    recursive = "/" in pattern
    if parts.is_of_store:
        start = Url(parts.scheme, parts.root, folder, parts.shown)
        found = stored(start, storage_options, recursive)
    else:
        found = {
            folder + name: facts
            for name, facts in listed(f"{parts.root}/{folder}", storage_options, recursive).items()
        }
    wanted = _matcher(folder, pattern)
    matches = {f"{parts.root}/{key}": found[key] for key in sorted(found) if wanted.fullmatch(key)}
    if not pattern:
        matches = {name: facts for name, facts in matches.items() if name.endswith(_ENDINGS)}
    if not matches and pattern:
        raise FileNotFoundError(errno.ENOENT, "No object matches the pattern", parts.shown)
    if not matches:
        raise EvstreamError(
            "the folder has no streams", source=parts.shown,
            expected=f"objects *{', *'.join(_ENDINGS)}",
        )  # fmt: skip
    return matches


def object_facts(
    urls: Sequence[str], storage_options: Mapping[str, Any] | None = None
) -> dict[str, FileFacts]:
    """The states of several objects, by a request for each, many at once."""
    if not urls:
        return {}
    with ThreadPoolExecutor(min(AT_ONCE, len(urls))) as pool:
        found = pool.map(lambda url: object_of(url, storage_options).facts(), urls)
        return dict(zip(urls, found, strict=True))


AT_ONCE = 32


def _divided(key: str) -> tuple[str, str]:
    """A key as the folder before the first "*", which ends with "/" or is empty, and the rest."""
    folder, slash, _ = key.partition("*")[0].rpartition("/")
    return folder + slash, key[len(folder + slash) :]


def _matcher(folder: str, pattern: str) -> re.Pattern[str]:
    """Matches the keys that a pattern in a folder means; without one all in the folder."""
    pieces = []
    for piece in re.split(r"(\*\*/|\*+)", pattern or "*"):
        if piece == "**/":
            pieces.append(r"(?:[^/.][^/]*/)*")
        elif piece.startswith("*"):
            at_start = not pieces or pieces[-1].endswith("/") or pieces[-1] == r"(?:[^/.][^/]*/)*"
            pieces.append(r"(?!\.)[^/]*" if at_start else r"[^/]*")
        elif piece:
            pieces.append(re.escape(piece))
    return re.compile(re.escape(folder) + "".join(pieces), re.DOTALL)
