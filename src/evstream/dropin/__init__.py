"""The switch that puts evstream where a program expects the reference's event-stream module.

    python -m evstream.dropin -- eltpy -i summary.bin -s selt.csv

runs a program with the switch on, for itself and for every Python process that it starts;
`install()` does the same for one process, before it imports the reference. No file of the
reference is touched.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

from evstream import process

MODULE = "oasislmf.pytools.common.event_stream"
"""The module that evstream stands in for."""

STAND_IN = "evstream.event_stream"

_USAGE = "usage: python -m evstream.dropin -- PROGRAM [ARGUMENT ...] | -m MODULE [ARGUMENT ...]"
_SITE = str(Path(__file__).parent / "site")


class _Finder(MetaPathFinder, Loader):
    """Answers the import of one module with the stand-in."""

    def __init__(self, module: str) -> None:
        self.module = module
        self.cache_before = os.environ.get("NUMBA_CACHE_DIR")

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> ModuleSpec | None:
        return ModuleSpec(fullname, self) if fullname == self.module else None

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        stand_in = importlib.import_module(STAND_IN)
        _check_widths(module.__name__, stand_in)
        # The import system hands out what sys.modules holds afterwards.
        sys.modules[module.__name__] = stand_in


def install(module: str = MODULE, *, check: bool = True) -> None:
    """From now on, importing `module` gives `evstream.event_stream`.

    Compiled code is cached apart (see docs/compatibility.md). Subprocesses are not affected:
    for these there is `python -m evstream.dropin`. Installing twice does nothing.

    Args:
        module: full name of the module to stand in for.
        check: compare names first (`missing_names`), unless that was done with these two
            versions before; a tenth of a second.

    Raises:
        RuntimeError: the module was imported before, another one is stood in for, or no folder
            can be written, not even a temporary one.
        ImportError: it is not installed, or names are missing in evstream.
    """
    if (finder := _installed()) is not None:
        if finder.module != module:
            raise RuntimeError(f"evstream already stands in for {finder.module}; uninstall() first")
        return
    if module in sys.modules:
        raise RuntimeError(
            f"{module} was imported before evstream.dropin.install(): programs hold its functions "
            "already. Call install() before the first import of the reference."
        )
    if not is_available(module):
        raise ModuleNotFoundError(f"{module} is not installed here: nothing to stand in for")
    finder = _Finder(module)
    folder = _cache_folder(finder.cache_before)
    if check:
        _check_names(module, folder)
    sys.meta_path.insert(0, finder)
    _set_cache(str(_usable(folder)))


def uninstall() -> None:
    """Importing the module gives the reference's again.

    What a program imported meanwhile stays what it is; modules of the reference that are
    loaded keep evstream's functions until the process ends.
    """
    if (finder := _installed()) is None:
        return
    sys.meta_path.remove(finder)
    if sys.modules.pop(finder.module, None) is not None:
        package, _, name = finder.module.rpartition(".")
        with contextlib.suppress(KeyError, AttributeError):
            delattr(sys.modules[package], name)
    _set_cache(finder.cache_before)


def installed() -> bool:
    """Whether the switch is on in this process."""
    return _installed() is not None


def is_available(module: str = MODULE) -> bool:
    """Whether the reference has `module`; found without importing anything of it."""
    return source_of(module) is not None


def environment(base: dict[str, str] | None = None) -> dict[str, str]:
    """The environment (os.environ by default) with the switch on for every Python process."""
    result = dict(os.environ if base is None else base)
    given = result.get("PYTHONPATH")
    paths = given.split(os.pathsep) if given else []  # an empty part is the working folder
    result["PYTHONPATH"] = os.pathsep.join([_SITE, *(p for p in paths if p != _SITE)])
    result["EVSTREAM_DROPIN"] = "1"
    return result


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a program with the switch on: a console script of this environment, `-m MODULE`, a
    Python file, or any other program, whose Python processes then have it on.

    What cannot be run is told in one line, with status 127 for a command that does not exist
    (as in a shell) and 2 for anything else.
    """
    _run(_prepared(list(sys.argv[1:] if arguments is None else arguments)))


def _prepared(arguments: list[str]) -> list[str]:
    """The program and its arguments, with the switch on for it."""
    if arguments[:1] in (["-h"], ["--help"]):
        print(_USAGE)
        sys.exit(0)
    if arguments[:1] == ["--"]:
        del arguments[0]
    if not arguments or arguments == ["-m"]:
        print(_USAGE, file=sys.stderr)
        sys.exit(2)
    # Not at the top: sitecustomize imports this module into every Python process.
    from evstream._generated import layout

    try:
        widths = layout.FORMAT.choose_widths()
        install()
        if widths["oasis_int"] != layout.SCALARS["oasis_int"].widths[0]:
            _check_widths(MODULE, importlib.import_module(STAND_IN))
    except (ImportError, RuntimeError, ValueError) as error:
        if isinstance(error, RecursionError) or process.is_exhaustion(error):
            raise
        _refuse(str(error))
    os.environ.update(environment())
    return arguments


def run_as_process() -> NoReturn:
    """`main` in a process that does nothing else: signals and exit statuses are those of the
    command line until the program begins, and then the program's own."""
    prepared: list[str] = []

    def prepare() -> int:
        prepared.extend(_prepared(sys.argv[1:]))
        return 0

    process.take_signals()
    status = process.attempt(prepare, "evstream.dropin")
    if prepared:
        process.give_back_signals()
        _run(prepared)
        status = 0
    sys.exit(status)


def _run(arguments: list[str]) -> None:
    import importlib.metadata
    import runpy
    import shutil

    program, *rest = arguments
    scripts = importlib.metadata.entry_points(group="console_scripts", name=program)
    if program == "-m":
        if not _can_run(rest[0]):
            _refuse(f"no module named {rest[0]}, or it is a package without a __main__")
        sys.argv = rest
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    elif scripts:
        sys.argv = [shutil.which(program) or program, *rest]
        sys.exit(next(iter(scripts)).load()())
    elif program.endswith(".py"):
        if not Path(program).is_file():
            _refuse(f"{program}: there is no such file")
        sys.argv = arguments
        sys.path[0] = str(Path(program).resolve().parent)
        runpy.run_path(program, run_name="__main__")
    else:
        try:
            os.execvp(program, arguments)
        except FileNotFoundError:
            _refuse(f"{program}: there is no such command", 127)
        except OSError as error:
            _refuse(f"{program}: {error.strerror}")


def _can_run(module: str) -> bool:
    """Whether there is a module, or a package with a __main__."""
    try:
        spec = importlib.util.find_spec(module)
        if spec is not None and spec.submodule_search_locations is not None:
            spec = importlib.util.find_spec(f"{module}.__main__")
    except ModuleNotFoundError as error:
        if not f"{module}.".startswith(f"{error.name}."):
            raise  # what it imports is missing
        return False
    except ValueError:  # no name at all
        return False
    return spec is not None


def _refuse(line: str, status: int = 2) -> NoReturn:
    print(f"evstream.dropin: {line}", file=sys.stderr)
    sys.exit(status)


def source_of(module: str) -> Path | None:
    """The source file of a module, found without importing the packages above it."""
    top, *rest = module.split(".")
    spec = PathFinder.find_spec(top)
    for folder in (spec and spec.submodule_search_locations) or []:
        path = Path(folder, *rest).with_suffix(".py")
        if path.is_file():
            return path
    return None


def _check_names(module: str, folder: Path) -> None:
    """Raise ImportError if evstream lacks a name; what was found complete is remembered."""
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
    with contextlib.suppress(OSError):  # then it is checked again the next time
        folder.mkdir(parents=True, exist_ok=True)
        known.touch()


def _installed() -> _Finder | None:
    return next((finder for finder in sys.meta_path if isinstance(finder, _Finder)), None)


def _check_widths(module: str, stand_in: ModuleType) -> None:
    """Refuse widths at which the reference and evstream would mean different bytes.

    oasislmf 2.3 takes the width of ids from OASIS_INT, as evstream does; 2.5 has them fixed.
    """
    data = importlib.import_module(module.rpartition(".")[0] + ".data")
    if not hasattr(data, "def_to_type_and_size"):
        return
    theirs, _ = data.def_to_type_and_size("event_id")
    if theirs != stand_in.event_id_type:
        raise ImportError(
            f"OASIS_INT={os.environ.get('OASIS_INT')} makes ids {stand_in.event_id_type} in "
            f"evstream, while this reference has them {theirs} whatever it says: unset OASIS_INT"
        )


def _cache_folder(given: str | None) -> Path:
    """Where numba keeps compiled code while the switch is on.

    Numba recompiles a function when its own file changes, not when a function that it calls
    does, nor when a global (a width) has another value. Hence a folder for each version of
    what evstream has compiled into others, and each choice of widths; never the reference's.
    """
    user = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    base = Path(given) if given else user / "evstream"
    if base.parent.name == "dropin":  # inherited from the process that switched it on
        base = base.parent.parent
    home = Path(__file__).parent.parent
    sources = ("event_stream.py", "_support/memory.py", "_support/intrinsics.py")
    inlined = [*(home / source for source in sources), *home.glob("_generated/records_*.py")]
    newest = max(path.stat().st_mtime_ns for path in inlined)
    names = ("OASIS_INT", "OASIS_FLOAT", "OASIS_AREAPERIL_TYPE")
    widths = "-".join(os.environ.get(name, "default") for name in names)
    return base / "dropin" / f"{newest:x}-{widths}"


def _usable(folder: Path) -> Path:
    """The folder, made if need be; a temporary one, with a warning, where it cannot be used.

    numba would take the folder of the reference's own compiled code instead, and mix the two.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".probe-{os.getpid()}"
        try:
            probe.write_bytes(b"0")
        finally:
            probe.unlink(missing_ok=True)
    except OSError as error:
        import atexit  # here, since this module is imported into every Python process
        import shutil
        import tempfile

        print(
            f"evstream.dropin: compiled code cannot be kept in {folder}: {error.strerror}; it is "
            "compiled anew (set NUMBA_CACHE_DIR to a folder that can be written)",
            file=sys.stderr,
        )
        try:
            base = Path(tempfile.mkdtemp(prefix="evstream-"))
        except OSError as none:
            raise RuntimeError(f"no folder for compiled code can be written: {none}") from error
        atexit.register(shutil.rmtree, base, ignore_errors=True)
        folder = base / "dropin" / folder.name
        folder.mkdir(parents=True)
    return folder


def _set_cache(folder: str | None) -> None:
    if folder is None:
        os.environ.pop("NUMBA_CACHE_DIR", None)
    else:
        os.environ["NUMBA_CACHE_DIR"] = folder
    if "numba" in sys.modules:
        sys.modules["numba"].config.reload_config()
