"""The selector of EventReader, which takes any stream, also files and BytesIO.

A stream that the system cannot wait for is always ready. The selector uses poll(), so it needs no
descriptor of its own and takes descriptors of 1024 and more.
"""

from __future__ import annotations

import selectors
from collections.abc import Iterator, Mapping
from typing import Any

from evstream.transport.polling import descriptor_of, is_waitable, wait_readable


class InputSelector(selectors.BaseSelector):
    """Streams by identity; `select` returns those that can be read without waiting."""

    def __init__(self) -> None:
        self._keys: dict[int, selectors.SelectorKey] = {}

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        descriptor = descriptor_of(fileobj)
        key = selectors.SelectorKey(fileobj, -1 if descriptor is None else descriptor, events, data)
        self._keys[id(fileobj)] = key
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._keys.pop(id(fileobj))

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        keys = list(self._keys.values())
        waitable = [k.fd for k in keys if k.fd >= 0 and is_waitable(k.fd)]
        always = len(waitable) < len(keys)
        readable = set(wait_readable(waitable, 0 if always else timeout)) if waitable else set()
        return [(k, k.events) for k in keys if k.fd in readable or k.fd not in waitable]

    def close(self) -> None:
        self._keys.clear()

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return _ByIdentity(self._keys)


class _ByIdentity(Mapping[Any, selectors.SelectorKey]):
    """Stream -> key; a stream need not be hashable."""

    def __init__(self, keys: dict[int, selectors.SelectorKey]) -> None:
        self._keys = keys

    def __getitem__(self, fileobj: Any) -> selectors.SelectorKey:
        return self._keys[id(fileobj)]

    def __iter__(self) -> Iterator[Any]:
        return (key.fileobj for key in self._keys.values())

    def __len__(self) -> int:
        return len(self._keys)
