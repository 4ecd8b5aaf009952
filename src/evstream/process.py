"""The process of one command: how a signal ends it, and its exit status.

The first signal raises `Stopped` in the main thread, so that open files clean up on the way out.
Later signals raise nothing, since an exception in the middle of a clean-up would break it. A
clean-up may have to wait, for instance for the reader of a full pipe, so a second signal limits it
to GRACE seconds more. A thread watches for that: Python runs signal handlers only in the main
thread, which may be inside a library at the time.

This module imports nothing of the package at its top: a signal during an import before
`take_signals` would print a traceback.
"""

from __future__ import annotations

import _thread
import errno
import os
import signal
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

SIGNALS = (
    signal.SIGHUP, signal.SIGINT, signal.SIGTERM,  # of terminals, people, session managers
    signal.SIGALRM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGXCPU,  # of batch systems
)  # fmt: skip
"""Signals that end a process; SIGQUIT stays the way to a core dump."""

GRACE = 2.0
"""Seconds that a clean-up may still take after a second signal."""

INSTANT = 0.002
"""Seconds between signals that are taken to come at once."""

FAILED = 70
"""Exit status when the process itself failed (EX_SOFTWARE): memory, threads, a defect."""


class Stopped(SystemExit):
    """A signal ends the process; `code` is its exit status, 128 + the signal's number."""


_handlers: dict[int, Any] = {}
"""The handlers that were there before, by signal."""

_stopping: int | None = None
"""The signal that ends the process, once one has come."""

_sent_again = 0
"""Number of signals that this process has sent to itself."""

_finished = False
"""Whether the work is done, after which signals have no effect."""

_seen: list[tuple[float, int]] = []
"""When a signal came, and its number, while a thread watches."""

_watches = False
"""Whether a thread watches."""

reporter: Callable[[str, dict[str, Any]], None] | None = None
"""Reports a failure or signal by its text and fields, where lines of text are not wanted."""


def run(work: Callable[[], int], name: str = "evstream") -> int:
    """Run a command in a process that does nothing else, and return its exit status.

    After a signal the process ends here. Otherwise signals are ignored from then on: the result
    is complete, and a signal while the interpreter ends must not change the status.
    """
    take_signals()
    status = attempt(work, name)
    for number in _handlers:
        signal.signal(number, signal.SIG_IGN)
    return status


def attempt(work: Callable[[], int], name: str) -> int:
    """Run `work` and return its exit status; after a signal the process ends here."""
    global _finished  # noqa: PLW0603 (a process has one state)
    status = FAILED
    try:
        try:
            status = work()
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else int(end.code is not None)
        except BaseException as error:
            status = failure(error, name)
        _finished = True
    except BaseException:  # out of memory again, or a signal, after which no other raises
        pass
    if _stopping is not None:
        _report_signal(_stopping)
        leave(128 + _stopping)
    return status


def failure(error: BaseException, name: str = "evstream") -> int:
    """Print one line about an exception that no command expects; the exit status for it."""
    if isinstance(error, KeyboardInterrupt):
        return 128 + signal.SIGINT
    if _stopping is not None:  # a consequence of the signal
        return 128 + _stopping
    try:
        text = described(error)
    except MemoryError:
        text = "out of memory"
    wants_traceback = os.environ.get("EVSTREAM_TRACEBACK", "0") not in {"", "0"}
    try:
        if reporter is not None:
            facts = {"type": type(error).__name__, "status": FAILED}
            if wants_traceback:
                facts["traceback"] = _traceback(error)
            reporter(text, facts)
            return FAILED
    except MemoryError:
        pass  # a line needs less
    if wants_traceback:
        sys.excepthook(type(error), error, error.__traceback__)
    try:
        if sys.stderr is not None:
            print(f"{name}: {text}", file=sys.stderr, flush=True)
    except (OSError, ValueError):
        pass  # there is no reader
    return FAILED


def _traceback(error: BaseException) -> str:
    import traceback

    return "".join(traceback.format_exception(error))


def _report_signal(number: int) -> None:
    """Report the signal that ends this process, unless that might have to wait."""
    try:
        import select

        if reporter is not None and select.select([], [2], [], 0)[1]:
            name = signal.Signals(number).name
            facts = {"type": "Signal", "signal": name, "status": 128 + number}
            reporter(f"ended by signal {name}", facts)
    except BaseException:
        pass  # nothing is in the way of the end


def is_stopping() -> bool:
    """Whether a signal is ending the process, so that errors are its consequence."""
    return _stopping is not None


def is_exhaustion(error: BaseException) -> bool:
    """Whether an error means that the machine has no more memory or threads."""
    if isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM:
        return True
    if isinstance(error, RuntimeError):
        return "can't start new thread" in str(error)
    return isinstance(error, (ImportError, OSError)) and _without_room(error) is not None


def refuse_exhaustion(error: BaseException) -> None:
    """Raise the error again if memory or threads are exhausted, in loops over files."""
    if is_exhaustion(error):
        raise error


def _without_room(error: BaseException) -> str | None:
    """The line of an error, or of its cause, in which the system's loader reports that a shared
    library does not fit into memory. Only the text shows that."""
    for line in str(error).splitlines():
        if any(words in line for words in _NO_ROOM):
            return line.strip()
    origin = error.__cause__ or error.__context__
    return None if origin is None else _without_room(origin)


_NO_ROOM = ("Cannot allocate memory", "failed to map segment")


def described(error: BaseException) -> str:
    """The text for an exception that no command expects."""
    text = _without_room(error) or " ".join(str(error).split())
    if len(text) > _LONGEST:
        text = f"{text[:_LONGEST]} ..."
    if is_exhaustion(error):
        if isinstance(error, RuntimeError):
            return "the system allows no more threads"
        return f"out of memory: {text}" if text else "out of memory"
    what = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return f"unexpected {what} (EVSTREAM_TRACEBACK=1 prints where)"


_LONGEST = 300


def take_signals() -> None:
    """Handle the signals of SIGNALS as described above, unless they are ignored or handled already.
    Call it in the main thread."""
    sys.unraisablehook = _unraisable
    for number in SIGNALS:
        before = signal.getsignal(number)
        if before in {signal.SIG_DFL, signal.default_int_handler}:  # nohup has SIGHUP ignored
            _handlers[number] = before
            signal.signal(number, _handle)


def watch_signals() -> None:
    """Limit the time of a clean-up from now on. Call it after the standard streams are open: a pipe
    that is opened here could take their descriptors."""
    global _watches  # noqa: PLW0603
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    try:
        _thread.start_new_thread(_watch, (reader,))
    except RuntimeError:  # no more threads: a second signal then has no effect
        os.close(reader)
        os.close(writer)
    else:
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        _watches = True


def give_back_signals() -> None:
    """Undo `take_signals`, before another program runs in this process."""
    global _finished  # noqa: PLW0603
    for number, before in _handlers.items():
        signal.signal(number, before)
    _handlers.clear()
    sys.unraisablehook = sys.__unraisablehook__
    _finished = False


def leave(status: int) -> NoReturn:
    """End the process at once, and remove incomplete files."""
    unfinished = sys.modules.get("evstream._support.unfinished")
    if unfinished is not None:
        unfinished.remove_all()
    os._exit(status)


def _handle(number: int, _: Any) -> None:
    global _stopping  # noqa: PLW0603
    if _finished or _stopping is not None:
        return
    _stopping = number = _first_seen(number)
    threading = sys.modules.get("threading")
    if threading is not None:  # errors of threads are now consequences
        threading.excepthook = lambda _: None  # type: ignore[attr-defined]
    raise Stopped(128 + number)


def _first_seen(number: int) -> int:
    """The signal that came first, where `number` is one of those that came.

    Python calls the handlers of several signals in the order of their numbers, so a thread notes
    when each came. The system keeps no order of signals that come before the process runs again:
    of those that come within INSTANT the lowest number counts.
    """
    for _ in range(100):
        if _seen or not _watches:
            break
        time.sleep(0.001)  # the thread needs a moment
    time.sleep(INSTANT)
    return min((n for when, n in _seen if when < _seen[0][0] + INSTANT), default=number)


def _unraisable(unraisable: Any) -> None:
    """Send a signal again that was raised in a finalizer, where Python drops exceptions."""
    if isinstance(unraisable.exc_value, Stopped):
        _thread.start_new_thread(_send_again, ())
    elif _stopping is None and reporter is not None:
        reporter(f"ignored {described(unraisable.exc_value)}", {"type": "Unraisable"})
    elif _stopping is None:
        sys.__unraisablehook__(unraisable)


def _send_again() -> None:
    global _stopping, _sent_again  # noqa: PLW0603
    time.sleep(0.01)  # until the finalizer has ended
    number, _stopping = _stopping, None
    if number is not None:
        _sent_again += 1
        os.kill(os.getpid(), number)


def _watch(reader: int) -> None:
    """End the process GRACE seconds after a second signal."""
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # those of the process go to other threads
    while len(_seen) < 2 + _sent_again:
        number = os.read(reader, 1)[0]  # Python writes the number of each signal
        if number in _handlers:
            _seen.append((time.monotonic(), number))
    time.sleep(GRACE)
    leave(128 + (_stopping or _seen[0][1]))
