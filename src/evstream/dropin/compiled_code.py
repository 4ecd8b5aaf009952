"""The folder of compiled code while the switch is on."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def cache_folder(given: str | None) -> Path:
    """Where numba keeps compiled code while the switch is on.

    Numba compiles a function again when its own file changes, but not when a function that it
    calls changes, nor when a global (a width) has another value. So there is a folder for each
    version of the evstream code that is compiled into programs, and for each choice of widths;
    it is never the folder of the reference.
    """
    user = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    base = Path(given) if given else user / "evstream"
    if base.parent.name == "dropin":  # inherited from the process that switched it on
        base = base.parent.parent
    home = Path(__file__).parent.parent
    support = (home / "_support" / f"{name}.py" for name in ("memory", "intrinsics", "number"))
    inlined = [home / "event_stream.py", *support, *home.glob("_generated/records_*.py")]
    newest = max(path.stat().st_mtime_ns for path in inlined)
    names = ("OASIS_INT", "OASIS_FLOAT", "OASIS_AREAPERIL_TYPE")
    widths = "-".join(os.environ.get(name, "default") for name in names)
    return base / "dropin" / f"{newest:x}-{widths}"


def usable(folder: Path) -> Path:
    """Make the folder; a temporary one, with a warning, if it cannot be written.

    Without it numba would use the folder of the reference's own compiled code, and mix the two.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".probe-{os.getpid()}"
        try:
            probe.write_bytes(b"0")
        finally:
            probe.unlink(missing_ok=True)
    except OSError as error:
        import atexit  # here: every Python process imports this module
        import shutil
        import tempfile

        print(
            f"evstream.dropin: compiled code cannot be cached in {folder}: {error.strerror}; it is "
            "compiled again each time (set NUMBA_CACHE_DIR to a folder that can be written)",
            file=sys.stderr,
        )
        try:
            base = Path(tempfile.mkdtemp(prefix="evstream-"))
        except OSError as none:
            raise RuntimeError(f"no folder can be written for compiled code: {none}") from error
        atexit.register(shutil.rmtree, base, ignore_errors=True)
        folder = base / "dropin" / folder.name
        folder.mkdir(parents=True)
    return folder


def set_cache(folder: str | None) -> None:
    """Have numba use this folder, None for its default, here and in subprocesses."""
    if folder is None:
        os.environ.pop("NUMBA_CACHE_DIR", None)
    else:
        os.environ["NUMBA_CACHE_DIR"] = folder
    if "numba" in sys.modules:
        sys.modules["numba"].config.reload_config()
