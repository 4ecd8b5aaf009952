"""Import optional modules, which `pip install evstream` does not install."""

from __future__ import annotations

import contextlib
import importlib
import signal
from typing import Any

from evstream import process
from evstream.errors import MissingExtraError

_EXTRAS = {
    "dask.dataframe": "dask",
    "dask.delayed": "dask",
    "fsspec": "remote",
    "hypothesis": "testing",
    "hypothesis.strategies": "testing",
    "jinja2": "codegen",
    "obstore": "remote",
    "pyarrow": "arrow",
    "shtab": "completion",
    "pyspark": "spark",
    "pyspark.sql": "spark",
    "pyspark.sql.datasource": "spark",
    "pyspark.sql.types": "spark",
    "rich": "progress",
    "tqdm.auto": "progress",
    "vl_convert": "report",
    "yaml": "codegen",
    "zstandard": "zstd",
}
"""Module, or its package -> the extra that installs it, if the names differ."""


def import_extra(module: str) -> Any:
    """Import a module of an extra. Raises MissingExtraError, which names the extra, and MemoryError
    if the module does not fit into memory."""
    try:
        imported = importlib.import_module(module)
    except ImportError as error:
        reason = " ".join(str(error).split())
        if process.is_exhaustion(error):
            raise MemoryError(f"{module} cannot be loaded ({reason})") from None
        package = module.partition(".")[0]
        extra = _EXTRAS.get(module, _EXTRAS.get(package, module))
        text = f"this needs {module}: pip install 'evstream[{extra}]'"
        if not isinstance(error, ModuleNotFoundError):
            text = f"{module} cannot be loaded ({reason}): install it again"
        raise MissingExtraError(text) from None
    if module == "polars":
        # Its import installs a handler of SIGINT that restarts a waiting read, so that a program
        # which waits for a pipe could not be interrupted.
        with contextlib.suppress(AttributeError, OSError, ValueError):
            signal.siginterrupt(signal.SIGINT, True)
    return imported


def import_arrow() -> Any:
    """The pyarrow module."""
    return import_extra("pyarrow")
