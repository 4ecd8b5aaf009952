"""The switch that puts evstream in the place of the reference's event-stream module.

    python -m evstream.dropin -- eltpy -i summary.bin -s selt.csv

runs a program with the switch on, for itself and for every Python process that it starts.
`install()` does the same for one process, before it imports the reference. No file of the
reference is changed.

Not here: the stand-in itself, which is `evstream.event_stream`.
May import: process, event_stream and its layout. Nothing heavy at the top: sitecustomize imports
this package into every Python process.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

from evstream.dropin.compiled_code import cache_folder, set_cache, usable
from evstream.dropin.source_file import source_of

MODULE = "oasislmf.pytools.common.event_stream"
"""The module that evstream stands in for."""

STAND_IN = "evstream.event_stream"

_SITE = str(Path(__file__).parent / "site")


class _Finder(MetaPathFinder, Loader):
    """Imports the stand-in in place of one module."""

    def __init__(self, module: str) -> None:
        self.module = module
        self.cache_before = os.environ.get("NUMBA_CACHE_DIR")

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> ModuleSpec | None:
        return ModuleSpec(fullname, self) if fullname == self.module else None

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        stand_in = importlib.import_module(STAND_IN)
        check_widths(module.__name__, stand_in)
        # The import system returns whatever sys.modules holds afterwards.
        sys.modules[module.__name__] = stand_in


def install(module: str = MODULE, *, check: bool = True) -> None:
    """Make every later import of `module` give `evstream.event_stream`.

    Compiled code has a cache of its own (see docs/compatibility.md). Subprocesses are not
    affected; use `python -m evstream.dropin` for them. Installing twice does nothing.

    Args:
        module: full name of the module to stand in for.
        check: compare names first (`missing_names`), which takes a tenth of a second, unless
            these two versions were compared before.

    Raises:
        RuntimeError: the module was imported before, evstream stands in for another one, or no
            folder can be written, not even a temporary one.
        ImportError: the module is not installed, or evstream lacks some of its names.
    """
    if (finder := _installed()) is not None:
        if finder.module != module:
            raise RuntimeError(f"evstream already stands in for {finder.module}; uninstall() first")
        return
    if module in sys.modules:
        raise RuntimeError(
            f"{module} was imported before evstream.dropin.install(), so programs hold its "
            "functions already. Call install() before the first import of the reference."
        )
    if not is_available(module):
        raise ModuleNotFoundError(f"{module} is not installed: nothing to stand in for")
    finder = _Finder(module)
    folder = cache_folder(finder.cache_before)
    if check:
        _check_names(module, folder)
    sys.meta_path.insert(0, finder)
    set_cache(str(usable(folder)))


def uninstall() -> None:
    """Make imports give the module of the reference again.

    Functions that a program has imported stay as they are: loaded modules of the reference
    keep those of evstream until the process ends.
    """
    if (finder := _installed()) is None:
        return
    sys.meta_path.remove(finder)
    if sys.modules.pop(finder.module, None) is not None:
        package, _, name = finder.module.rpartition(".")
        with contextlib.suppress(KeyError, AttributeError):
            delattr(sys.modules[package], name)
    set_cache(finder.cache_before)


def installed() -> bool:
    """Whether the switch is on in this process."""
    return _installed() is not None


def is_available(module: str = MODULE) -> bool:
    """Whether the reference has `module`; checked without importing any of it."""
    return source_of(module) is not None


def environment(base: dict[str, str] | None = None) -> dict[str, str]:
    """A copy of the environment (os.environ by default) that switches every Python process on."""
    result = dict(os.environ if base is None else base)
    given = result.get("PYTHONPATH")
    paths = given.split(os.pathsep) if given else []  # an empty part is the working folder
    result["PYTHONPATH"] = os.pathsep.join([_SITE, *(p for p in paths if p != _SITE)])
    result["EVSTREAM_DROPIN"] = "1"
    return result


def _check_names(module: str, folder: Path) -> None:
    """Raise ImportError if evstream lacks a name. A version without missing names is remembered."""
    source = source_of(module)
    assert source is not None
    stat = source.stat()
    known = folder / f"complete-{stat.st_mtime_ns:x}-{stat.st_size:x}-{stat.st_ino:x}"
    if known.exists():
        return
    from evstream.dropin.module_names import missing_names

    if missing := missing_names(module, STAND_IN):
        lines = [f"  {name}: {', '.join(places)}" for name, places in missing.items()]
        raise ImportError("\n".join([f"{STAND_IN} lacks names of {module} that are used:", *lines]))
    with contextlib.suppress(OSError):  # then the next process checks again
        folder.mkdir(parents=True, exist_ok=True)
        known.touch()


def _installed() -> _Finder | None:
    return next((finder for finder in sys.meta_path if isinstance(finder, _Finder)), None)


def check_widths(module: str, stand_in: ModuleType) -> None:
    """Refuse widths at which the reference and evstream would read different bytes.

    oasislmf 2.3 takes the width of ids from OASIS_INT, as evstream does; in 2.5 it is fixed.
    """
    data = importlib.import_module(module.rpartition(".")[0] + ".data")
    if not hasattr(data, "def_to_type_and_size"):
        return
    theirs, _ = data.def_to_type_and_size("event_id")
    if theirs != stand_in.event_id_type:
        raise ImportError(
            f"OASIS_INT={os.environ.get('OASIS_INT')} makes ids {stand_in.event_id_type} in "
            f"evstream, while this reference always has {theirs}: unset OASIS_INT"
        )
