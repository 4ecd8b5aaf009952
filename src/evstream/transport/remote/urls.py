"""The parts of a URL, and what of it a message may show."""

from __future__ import annotations

import re
from dataclasses import dataclass

from evstream.transport.range_file import shown

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.:-]*)://([^/?]*)/*(.*)", re.DOTALL)

OBJECT_STORES = {"s3", "s3a", "gs", "az", "adl", "azure", "abfs", "abfss", "http", "https"}
"""Schemes that obstore serves."""


@dataclass(frozen=True)
class Url:
    """A URL.

    Attributes:
        scheme: in lower case.
        root: the store: "s3://bucket". Of http(s) the whole URL, since a query (a signature, say)
            belongs to one object.
        key: the name of the object in its store.
        shown: the URL for messages, without password and query.
    """

    scheme: str
    root: str
    key: str
    shown: str

    @classmethod
    def of(cls, text: str) -> Url:
        """The parts of a URL. Raises ValueError for one without a store and a name."""
        name = shown(text)
        match = _URL.fullmatch(text)
        if match is None or (not match[2] and not match[3]):
            raise ValueError(f"{name} names no object, expected scheme://store/name")
        scheme = match[1].lower()
        if scheme in {"http", "https"}:
            return cls(scheme, text, "", name)
        return cls(scheme, f"{scheme}://{match[2]}", match[3], name)

    @property
    def is_of_store(self) -> bool:
        """Whether obstore reads it, not fsspec."""
        return self.scheme in OBJECT_STORES
