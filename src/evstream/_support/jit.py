"""The one place that decides how kernels are compiled.

Every njit function of the package goes through `jit`, so that caching can be switched
off in one place: `EVSTREAM_CACHE=0` compiles afresh in each process. The kernels release
the GIL, and never raise: an exception inside njit code leaks memory, so they return a
status instead and the runtime raises.
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
    """Compile a kernel lazily, without the GIL, kept on disk unless switched off.

    See `kernel_cache` for how. With NUMBA_DISABLE_JIT=1 kernels stay plain Python, and numba,
    which takes longer to load than a small file takes to read, is not even imported.
    """
    if not is_enabled():
        return function
    return _kept(_numba().njit(nogil=True)(function))


def _kept(kernel: Any) -> Any:
    """A kernel with our cache; without one where it is switched off, or where this numba has
    other internals than those known."""
    if CACHE and hasattr(kernel, "_cache"):
        with contextlib.suppress(ImportError, AttributeError):
            kernel_cache = importlib.import_module("evstream._support.kernel_cache")
            kernel._cache = kernel_cache.KernelCache(kernel.py_func)
    return kernel


def jit_uncounted(function: Callable[..., Any]) -> Any:
    """Like `jit`, for a kernel that makes no arrays: without counting references to its arguments.
    Numba would count at each call of a part of it, which may cost more than the part."""
    return _kept(_numba().njit(nogil=True, _nrt=False)(function))


def jit_inline(function: Callable[..., Any]) -> Any:
    """Compile a part of such kernels into each of them: a call passes an array as seven numbers."""
    return _numba().njit(nogil=True, forceinline=True, _nrt=False)(function)


def jit_closure(function: Callable[..., Any]) -> Any:
    """Compile a kernel around a user's njit callbacks: never cached, since numba cannot
    tell on disk whether a callback is still the same."""
    return _numba().njit(nogil=True)(function)


def _numba() -> Any:
    importlib.import_module("evstream._support.intrinsics")  # before anything is compiled
    return importlib.import_module("numba")
