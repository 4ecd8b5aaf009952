"""Compiled kernels on disk, in one file each that is verified before it is used.

numba keeps an index and a data file per function, trusts their content, and lets every error of the
disk come out of the call that needs the kernel. Here a file holds one compiled kernel:

    SHA-256 of all that follows | SHA-256 of sources, versions and argument types | the kernel

If the file is damaged, unreadable or of another version, the kernel is compiled again and the file
replaced. If the file cannot be written, the kernel is kept in this process only. Either gives one
warning, never an error: a stream must not become unreadable because of a cache. A file is written
under another name and then renamed, so several processes may compile the same kernel at once.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import hashlib
import os
import pickle
import secrets
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import llvmlite
import numba
from numba.core import config
from numba.core.caching import _Cache
from numba.core.compiler import CompileResult
from numba.core.runtime import rtsys
from numba.core.serialize import dumps

from evstream._support import unfinished
from evstream._support.build_mark import trusting_marks
from evstream.errors import CacheWarning, warn

_DIGEST = hashlib.sha256().digest_size
_MOST = 1 << 26
"""Largest file to read, in bytes; the largest kernels have 100 kB."""

_SHARED = (
    "memory.py",
    "intrinsics.py",
    "entries.py",
    "entry_intrinsics.py",
    "entry_vectors.py",
    "jit.py",
    "protocol.py",
)
"""Sources that are compiled into every kernel, besides those next to its own."""


@dataclass
class Tally:
    """Counts of the kernels that this process needed.

    Attributes:
        found, kept, lost: how many came from disk, were written to it, and could not be.
        folders: where they are.
        trouble: the first problem; "" when there was none.
    """

    found: int = 0
    kept: int = 0
    lost: int = 0
    folders: set[str] = field(default_factory=set)
    trouble: str = ""


TALLY = Tally()


class KernelCache(_Cache):  # type: ignore[misc]
    """The cache of one kernel, in place of numba's own."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._enabled = True

    @property
    def cache_path(self) -> str:
        """The folder that is tried first."""
        return str(_folders(self._function.__code__.co_filename)[0])

    def enable(self) -> None:
        """Use the disk."""
        self._enabled = True

    def disable(self) -> None:
        """Leave the disk alone."""
        self._enabled = False

    def flush(self) -> None:
        """Remove the kernels of this function."""
        for folder in _folders(self._function.__code__.co_filename):
            for path in folder.glob(f"{self._stem}.*.nbc"):
                with contextlib.suppress(OSError):
                    path.unlink()

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """The kernel for these argument types; None if it must be compiled."""
        if not self._enabled:
            return None
        for path, identity in self._paths(sig, target_context.codegen()):
            try:
                parts = _read(path, identity)
                if parts is not None:
                    # numba refreshes its context here, which imports all that it can compile, and
                    # scipy: twice the time of `import numba`. Compiled code needs the runtime only,
                    # and numba refreshes again before it compiles.
                    rtsys.initialize(target_context)
                    found = CompileResult._rebuild(target_context, *parts)
                    TALLY.found += 1
                    TALLY.folders.add(str(path.parent))
                    return found
            except Exception as error:  # a broken file can raise anything
                if _is_exhaustion(error):
                    raise
                _report(f"{path}: {_reason(error)}; the kernel is compiled anew")
        return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Write a compiled kernel to the first folder that can be written."""
        if not self._enabled:
            return
        if data.library.has_dynamic_globals or any(not part.can_cache for part in data.lifted):
            TALLY.lost += 1
            return
        trouble = "no folder for it"
        body = None
        for path, identity in self._paths(sig, data.codegen):
            try:
                body = body or dumps(data._reduce())
                _write(path, identity, body)
            except Exception as error:  # the kernel in memory still works
                if _is_exhaustion(error):
                    raise
                trouble = f"{path.parent}: {_reason(error)}"
                continue
            TALLY.kept += 1
            TALLY.folders.add(str(path.parent))
            return
        TALLY.lost += 1
        _report(
            f"{trouble}; compiled kernels are not kept, each process compiles for itself "
            "(set EVSTREAM_CACHE_DIR to a folder that can be written, or EVSTREAM_CACHE=0)"
        )

    @property
    def _stem(self) -> str:
        code = self._function.__code__
        name = f"{Path(code.co_filename).stem}.{self._function.__qualname__}"
        return name.replace("<", "").replace(">", "") + f"-{code.co_firstlineno}"

    def _paths(self, sig: Any, codegen: Any) -> Iterator[tuple[Path, bytes]]:
        """The possible files of one kernel, each with the digest that it must contain."""
        try:
            source = self._function.__code__.co_filename
            key = repr((sig, codegen.magic_tuple()))
            stamp = _stamp(self._function.__globals__["__spec__"].loader, source)
            code = self._function.__code__.co_code
            identity = hashlib.sha256(repr((key, stamp, code)).encode()).digest()
            name = f"{self._stem}.{hashlib.sha256(key.encode()).hexdigest()[:16]}.nbc"
            folders = _folders(source)
        except Exception as error:
            _report(f"{self._stem}: {_reason(error)}; the kernel is not kept on disk")
            return
        for folder in folders:
            yield folder / name, identity


def _folders(source: str) -> list[Path]:
    """The folders for the kernels of a source file, best first.

    EVSTREAM_CACHE_DIR alone, if it is set, or NUMBA_CACHE_DIR. Else the folder next to the source,
    from which users who may not write there can still read, then a folder of the user.
    """
    parent = Path(source).resolve().parent
    apart = f"{parent.name}_{hashlib.sha256(str(parent).encode()).hexdigest()[:32]}"
    if only := os.environ.get("EVSTREAM_CACHE_DIR") or config.CACHE_DIR:
        return [Path(only) / apart]
    folders = [parent / "__pycache__"]
    with contextlib.suppress(RuntimeError):  # a user without a home
        base = os.environ.get("XDG_CACHE_HOME")
        folders.append((Path(base) if base else Path.home() / ".cache") / "evstream" / apart)
    return folders


@functools.cache
def _stamp(loader: Any, source: str) -> str:
    """A digest of everything that a kernel is compiled from: sources, versions, options."""
    home, folder = Path(__file__).parent, Path(source).parent
    inlined = [Path(source), *(home / name for name in _SHARED)]
    if folder != home:  # a package of kernels, which call each other
        inlined += sorted(folder.glob("*.py"))
    digest = hashlib.sha256()
    for path in inlined:
        digest.update(loader.get_data(str(path)))
    options = (config.BOUNDSCHECK, config.OPT, config.DEBUGINFO_DEFAULT)
    return f"{numba.__version__} {llvmlite.__version__} {options} {digest.hexdigest()}"


def _read(path: Path, identity: bytes) -> Any:
    """The parts of the kernel in a file; None if there is no file, or one of another kernel."""
    try:  # without waiting for the writer of a FIFO
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:  # `open` would leave the descriptor of a folder open
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > _MOST:
            raise ValueError("not a compiled kernel")
        with open(descriptor, "rb", closefd=False) as file:
            data = file.read(_MOST)
    finally:
        os.close(descriptor)
    if len(data) < 2 * _DIGEST or hashlib.sha256(data[_DIGEST:]).digest() != data[:_DIGEST]:
        raise ValueError("damaged")
    if data[_DIGEST : 2 * _DIGEST] != identity:
        return None
    with trusting_marks():  # name and digest of the file include the widths
        return pickle.loads(data[2 * _DIGEST :])


def _write(path: Path, identity: bytes, body: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    data = identity + body
    part = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.part")
    unfinished.add(str(part))
    try:
        with open(part, "xb") as file:
            file.write(hashlib.sha256(data).digest() + data)
        os.replace(part, path)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        raise
    finally:
        unfinished.discard(str(part))


def _is_exhaustion(error: Exception) -> bool:
    """Whether memory ran out, which is no trouble of the cache: compiling would need more."""
    return isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM


def _reason(error: Exception) -> str:
    text = error.strerror if isinstance(error, OSError) else str(error).partition("\n")[0]
    return text or type(error).__name__


def _report(trouble: str) -> None:
    """Warn, once per process."""
    if not TALLY.trouble:
        TALLY.trouble = trouble
        warn(f"kernel cache: {trouble}", CacheWarning)
