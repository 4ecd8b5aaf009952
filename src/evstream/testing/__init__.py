"""Tests of programs that read and write streams.

    from evstream.testing import assert_equal, make_stream

    def test_my_component():
        gul = make_stream(losses={7: {1: [100.0, 20.0]}})
        assert_equal(my_component(gul), make_stream(losses={7: {1: [50.0, 10.0]}}))

`strategies` has streams for Hypothesis, `plugin` is loaded by pytest. Names are imported at their
first use, since pytest loads the plugin in every project of the environment.
Not here: what the product itself needs. May import: cli and below.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from evstream.testing.breaking import BrokenStream as BrokenStream
    from evstream.testing.breaking import broken_versions as broken_versions
    from evstream.testing.equality import assert_equal as assert_equal
    from evstream.testing.making import make_stream as make_stream
    from evstream.testing.stream_bytes import StreamBytes as StreamBytes

_HOME = {
    "BrokenStream": "breaking",
    "StreamBytes": "stream_bytes",
    "assert_equal": "equality",
    "broken_versions": "breaking",
    "make_stream": "making",
}

__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME and name != "strategies":
        raise AttributeError(f"module 'evstream.testing' has no attribute {name!r}")
    import importlib

    module = importlib.import_module(f"evstream.testing.{_HOME.get(name, name)}")
    value = getattr(module, name) if name in _HOME else module
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME, "strategies"})
