"""What a failed `==` of two streams or events says in pytest."""

from __future__ import annotations

from typing import Any

from evstream.errors import EvstreamError
from evstream.testing.equality import assert_equal
from evstream.wire.event import Event


def of_bytes(left: bytes, right: bytes) -> list[str] | None:
    """The differences of two streams; None for bytes that are none."""
    if left[:4] != right[:4] and type(left) is type(right) is bytes:
        return None
    try:
        assert_equal(left, right)
    except AssertionError as error:
        title, *lines = str(error).splitlines()
        return [f"streams differ: {title}", *lines]
    except (EvstreamError, OSError, TypeError, ValueError) as error:
        known = [one for one in (left, right) if hasattr(one, "header")]
        return [f"streams differ: {error}"] if known else None
    return ["the streams have the same values, and other bytes"]


def of_events(left: Any, right: Event) -> list[str] | None:
    """The differences of two events, which are equal by `==` only if they are the same object."""
    hint = "use evstream.testing.assert_equal: `==` asks whether two events are the same object"
    try:
        assert_equal(left, right)
    except AssertionError as error:
        return [f"events differ: {line}" if not i else line
                for i, line in enumerate(str(error).splitlines())]  # fmt: skip
    except (EvstreamError, TypeError, ValueError) as error:
        return [f"events differ: {error}"]
    return [f"the events have the same values; {hint}"]
