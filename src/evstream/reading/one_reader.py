"""An iterator of one stream for one thread of one process.

Python reports two threads in one generator as "generator already executing", and a forked process
would go on with what its parent has decoded already, which both would then have. Both are errors
that name the stream. A check per event would cost as much as a small event does, so the iterators
that are open are changed once, in the forked process.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Generator, Iterator
from typing import Any, Generic, TypeVar

from evstream.errors import EvstreamError

T = TypeVar("T")


class OneReader(Generic[T], Iterator[T]):
    """Gives what a generator gives.

    Args:
        generator: what to iterate over.
        name: of the stream, for messages.
        check_process: raises the error for a forked process; None where the generator does.
    """

    def __init__(
        self,
        generator: Generator[T],
        name: str,
        check_process: Callable[[], None] | None = None,
    ) -> None:
        self._generator, self._name, self._check_process = generator, name, check_process
        if check_process is not None:
            _open_readers.add(self)

    def __next__(self) -> T:
        try:
            return next(self._generator)
        except ValueError as error:
            if str(error) != "generator already executing":
                raise
        raise EvstreamError(
            "two threads read the stream at the same time", source=self._name,
            expected="one thread at a time: each with its own evstream.open, or a lock",
        )  # fmt: skip

    def close(self) -> None:
        """Close the generator, as its own method does."""
        self._generator.close()

    def refuse_fork(self) -> None:
        """Called in a forked process: raise at the next step if the stream is its parent's."""
        if self._check_process is not None:
            self._generator = _checked(self._check_process, self._generator)


def _checked(check: Callable[[], None], generator: Generator[T]) -> Generator[T]:
    """The generator, once the check has passed."""
    check()
    yield from generator


def _refuse_forks() -> None:
    for reader in list(_open_readers):
        reader.refuse_fork()


_open_readers: weakref.WeakSet[OneReader[Any]] = weakref.WeakSet()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_refuse_forks)


def started(generator: Generator[Any]) -> Generator[Any]:
    """Run a generator to its first, empty yield. Python skips the `finally` of a generator that is
    closed before it has started, and ours must run."""
    next(generator)
    return generator
