"""Open an object to read it from its first byte to its last."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotInTime
from threading import TIMEOUT_MAX
from typing import Any

from evstream.errors import StallError
from evstream.transport.range_file import shown
from evstream.transport.read_ahead import ReadAhead
from evstream.transport.remote.failures import NoRangesError
from evstream.transport.remote.remote_file import RemoteFile, WholeObject


def open_in_order(
    url: str, options: Mapping[str, Any] | None, timeout: float | None
) -> ReadAhead | WholeObject:
    """The object as a raw file object with `name`, `size` and `readinto`.

    Raises OSError with a name, StallError if the store does not answer for `timeout` seconds.
    """
    if timeout is None or timeout > TIMEOUT_MAX:  # math.inf waits forever
        return _opened(url, options, None)
    pool = ThreadPoolExecutor(1)
    try:
        return pool.submit(_opened, url, options, timeout).result(timeout)
    except NotInTime:
        raise StallError(f"no data received for {timeout:g} s", source=shown(url)) from None
    finally:
        pool.shutdown(wait=False)


def _opened(
    url: str, options: Mapping[str, Any] | None, timeout: float | None
) -> ReadAhead | WholeObject:
    try:
        return ReadAhead(RemoteFile(url, options), timeout=timeout)
    except NoRangesError:
        return WholeObject(url, options)
