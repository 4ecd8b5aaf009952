"""Defaults from the environment: EVSTREAM_STRICT, EVSTREAM_TIMEOUT, EVSTREAM_FSYNC,
EVSTREAM_UPLOAD_PART.

They are read at each call, so that an operator can make a whole pipeline strict without changing
its programs. An argument overrides the variable.
"""

from __future__ import annotations

import os

from evstream._support.arguments import byte_size, flag
from evstream.transport.polling import check_timeout

_TRUE, _FALSE = ("1", "true", "yes", "on"), ("", "0", "false", "no", "off")


def strict_of(strict: bool | None) -> bool:
    """Whether a missing final delimiter is an error: the argument, else EVSTREAM_STRICT, else no.

    Raises ValueError if the variable is neither true nor false.
    """
    return _flag("EVSTREAM_STRICT", False) if strict is None else flag("strict", strict)


def durable_of(durable: bool | None) -> bool:
    """Whether a file is on the disk before it gets its name: the argument, else EVSTREAM_FSYNC,
    else yes. Raises ValueError if the variable is neither true nor false."""
    return _flag("EVSTREAM_FSYNC", True) if durable is None else flag("durable", durable)


def timeout_of(timeout: float | None) -> float | None:
    """Seconds without data before a StallError: the argument, else EVSTREAM_TIMEOUT, else None,
    which waits forever. `math.inf` as argument overrides the variable.

    Raises ValueError for anything but a number of seconds above 0.
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
                f"environment variable EVSTREAM_TIMEOUT is {text!r}, expected seconds above 0"
            ) from None
    check_timeout(timeout)
    return float(timeout)  # poll takes no Fraction


def upload_part(default: int, least: int, most: int) -> int:
    """Bytes of a part of an object that is written: EVSTREAM_UPLOAD_PART, else the default.

    Raises ValueError for a variable that is not a size between `least` and `most`.
    """
    text = os.environ.get("EVSTREAM_UPLOAD_PART", "").strip()
    if not text:
        return default
    name = "environment variable EVSTREAM_UPLOAD_PART"
    size = byte_size(name, text)
    if not least <= size <= most:
        raise ValueError(f"{name} is {text!r}, expected {least >> 20} MiB to {most >> 30} GiB")
    return size


def _flag(name: str, default: bool) -> bool:
    text = os.environ.get(name)
    if text is None:
        return default
    if text.strip().lower() in _TRUE:
        return True
    if text.strip().lower() in _FALSE:
        return False
    raise ValueError(f"environment variable {name} is {text!r}, expected 1 or 0")
