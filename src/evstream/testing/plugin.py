"""The pytest plugin: fixtures, and what a failed comparison of streams says.

pytest loads this module in every project of an environment that has evstream, so it imports nothing
but pytest; the rest comes when a test needs it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def make_stream() -> Callable[..., Any]:
    """The bytes of a small stream; see `evstream.testing.make_stream`."""
    from evstream.testing.making import make_stream

    return make_stream


@pytest.fixture
def stream_file(tmp_path: Path) -> Callable[..., Path]:
    """A small stream in a file of `tmp_path`: `stream_file("gul.bin", "loss", events=3)`; arguments
    after the name as for `evstream.testing.make_stream`."""

    def make(name: str = "stream.bin", *arguments: Any, **options: Any) -> Path:
        from evstream.testing.making import make_stream

        path = tmp_path / name
        path.write_bytes(make_stream(*arguments, **options))
        return path

    return make


def pytest_assertrepr_compare(config: Any, op: str, left: Any, right: Any) -> list[str] | None:
    """What `assert a == b` says of two streams in bytes, or of two events."""
    both = (left, right)
    is_bytes = all(isinstance(one, bytes) and len(one) > 3 for one in both)
    if op != "==" or not (is_bytes or all(_is_event(one) for one in both)):
        return None
    from evstream.testing.explanation import of_bytes, of_events

    return of_bytes(left, right) if is_bytes else of_events(left, right)


def _is_event(value: Any) -> bool:
    return "evstream.wire.event.Event" in {
        f"{kind.__module__}.{kind.__qualname__}" for kind in type(value).__mro__
    }
