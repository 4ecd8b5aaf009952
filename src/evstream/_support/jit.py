"""How kernels are compiled.

Every njit function of the package goes through `jit`, so that caching can be switched off in one
place: with `EVSTREAM_CACHE=0` each process compiles again. Kernels release the GIL. They never
raise, since an exception inside njit code leaks memory: they return a status, and the runtime
raises.
"""

from __future__ import annotations

import contextlib
import importlib
import os
from collections.abc import Callable
from typing import Any

CACHE = os.environ.get("EVSTREAM_CACHE", "1") != "0"


def is_enabled() -> bool:
    """Whether numba compiles, which NUMBA_DISABLE_JIT=1 switches off."""
    return os.environ.get("NUMBA_DISABLE_JIT", "0") == "0"


def jit(function: Callable[..., Any]) -> Any:
    """Compile a kernel lazily, without the GIL, and cache it on disk.

    With NUMBA_DISABLE_JIT=1 kernels stay plain Python, and numba is not imported: loading it takes
    longer than reading a small file.
    """
    if not is_enabled():
        return function
    return _kept(_numba().njit(nogil=True)(function))


def jit_short(function: Callable[..., Any]) -> Any:
    """Like `jit`, for a kernel over blocks, which keeps the GIL: it takes less time than another
    thread needs to take over and to give back."""
    return _kept(_numba().njit(function)) if is_enabled() else function


def _kept(kernel: Any) -> Any:
    """Give a kernel our cache, unless caching is off or this numba has unknown internals."""
    if CACHE and hasattr(kernel, "_cache"):
        with contextlib.suppress(ImportError, AttributeError):
            kernel_cache = importlib.import_module("evstream._support.kernel_cache")
            kernel._cache = kernel_cache.KernelCache(kernel.py_func)
    return kernel


def jit_uncounted(function: Callable[..., Any]) -> Any:
    """Like `jit`, for a kernel that makes no arrays, without counting references to its arguments.
    numba would count them at each call of an inner function, which may cost more than the call."""
    return _kept(_numba().njit(nogil=True, _nrt=False)(function))


def jit_inline(function: Callable[..., Any]) -> Any:
    """Inline a function into such kernels: a call would pass each array as seven numbers."""
    return _numba().njit(nogil=True, forceinline=True, _nrt=False)(function)


def jit_apart(function: Callable[..., Any]) -> Any:
    """Compile a function that such kernels call, as a part of them, but not inline: for a loop over
    many values, which is faster with all registers of the processor."""
    return _numba().njit(nogil=True, _nrt=False)(function)


def jit_closure(function: Callable[..., Any]) -> Any:
    """Compile a kernel around njit callbacks of a user. It is never cached: numba cannot detect
    that a callback has changed."""
    return _numba().njit(nogil=True)(function)


def _numba() -> Any:
    for name in ("intrinsics", "entry_intrinsics"):  # before anything is compiled
        importlib.import_module(f"evstream._support.{name}")
    return importlib.import_module("numba")
