"""Python runs this at its start when `python -m evstream.dropin` put its folder on PYTHONPATH.

It switches evstream on, and then runs the sitecustomize that would have run without it. That one
may raise, as without the switch: Python reports it and goes on, with evstream on.
"""

import importlib.machinery
import importlib.util
import os
import sys


def _switch_on() -> str:
    """Turn the switch on; why it is off, "" when it is on or nothing is to be replaced."""
    if os.environ.get("EVSTREAM_DROPIN") != "1":
        return ""
    try:
        from evstream import dropin
    except ImportError:
        return "this Python has no evstream, so it is off here"
    if dropin.is_available():
        dropin.install(check=False)
    return ""


def _run_other() -> None:
    """Run the next sitecustomize on the path, under its own name."""
    others = [path for path in sys.path if os.path.abspath(path) != os.path.dirname(__file__)]
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", others)
    if spec is not None and spec.loader is not None:
        module = importlib.util.module_from_spec(spec)
        sys.modules["sitecustomize"] = module
        spec.loader.exec_module(module)


_switch_on()
try:
    _run_other()
finally:
    # Again: it may have made evstream or the reference importable.
    if _problem := _switch_on():
        print(f"evstream.dropin: {_problem}", file=sys.stderr)
