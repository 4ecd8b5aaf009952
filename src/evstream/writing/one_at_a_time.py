"""Methods that several threads may call, one call at a time.

Kernels release the GIL between reading the cursor of a buffer and moving it, so two calls at once
would write to the same place.
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable
from typing import Any, TypeVar, cast

F = TypeVar("F", bound=Callable[..., Any])


class Lock:
    """A reentrant lock that a forked process begins anew: the thread that holds it may not exist
    there."""

    def __init__(self) -> None:
        self._process, self._lock = os.getpid(), threading.RLock()

    def of_this_process(self) -> Any:
        if os.getpid() != self._process:
            self._process, self._lock = os.getpid(), threading.RLock()
        return self._lock


def one_at_a_time(method: F) -> F:
    """Call the method under the `_lock` of its object."""

    @functools.wraps(method)
    def alone(self: Any, *arguments: Any, **named: Any) -> Any:
        with self._lock.of_this_process():
            return method(self, *arguments, **named)

    return cast(F, alone)
