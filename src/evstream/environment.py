"""What the environment says where an argument says nothing: EVSTREAM_STRICT, EVSTREAM_TIMEOUT.

Read at each call, so that an operator can make a whole pipeline strict without changing it.
"""

from __future__ import annotations

import os

from evstream.waiting import check_timeout

_TRUE, _FALSE = ("1", "true", "yes", "on"), ("", "0", "false", "no", "off")


def strict_of(strict: bool | None) -> bool:
    """Whether a missing final delimiter is an error: the argument, else EVSTREAM_STRICT, else no.

    Raises ValueError for a variable that is neither true nor false.
    """
    return _flag("EVSTREAM_STRICT", False) if strict is None else bool(strict)


def durable_of(durable: bool | None) -> bool:
    """Whether files are on the disk before they appear: the argument, else EVSTREAM_FSYNC, else
    yes. Raises ValueError for a variable that is neither true nor false."""
    return _flag("EVSTREAM_FSYNC", True) if durable is None else bool(durable)


def timeout_of(timeout: float | None) -> float | None:
    """Seconds without data before a StallError: the argument, else EVSTREAM_TIMEOUT, else None,
    which waits for ever. `math.inf` as argument overrides the variable.

    Raises ValueError for what is no number of seconds above 0.
    """
    if timeout is None:
        text = os.environ.get("EVSTREAM_TIMEOUT", "").strip()
        if not text:
            return None
        try:
            timeout = float(text)
            check_timeout(timeout)
        except ValueError:
            raise ValueError(
                f"environment variable EVSTREAM_TIMEOUT: {text!r}, expected seconds above 0"
            ) from None
    check_timeout(timeout)
    return timeout


def _flag(name: str, default: bool) -> bool:
    text = os.environ.get(name)
    if text is None:
        return default
    if text.strip().lower() in _TRUE:
        return True
    if text.strip().lower() in _FALSE:
        return False
    raise ValueError(f"environment variable {name}: {text!r}, expected 1 or 0")
