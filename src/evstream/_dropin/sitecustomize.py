"""Python runs this at its start when `python -m evstream.dropin` put its folder on PYTHONPATH.

It switches evstream on, and gives way to the sitecustomize that would have run without it.
"""

import importlib.machinery
import importlib.util
import os
import sys

_others = [path for path in sys.path if os.path.abspath(path) != os.path.dirname(__file__)]
_spec = importlib.machinery.PathFinder.find_spec("sitecustomize", _others)
if _spec is not None and _spec.loader is not None:
    _spec.loader.exec_module(importlib.util.module_from_spec(_spec))

if os.environ.get("EVSTREAM_DROPIN") == "1":
    try:
        from evstream import dropin
    except ImportError:
        print("evstream.dropin: this Python has no evstream, so it is off here", file=sys.stderr)
    else:
        if dropin.is_available():
            dropin.install(check=False)
