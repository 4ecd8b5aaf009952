"""Settings of all tests."""

import contextlib

with contextlib.suppress(ImportError):  # where only the interop tests run there is none
    from hypothesis import settings

    # A slow or busy machine is no failure.
    settings.register_profile("any machine", deadline=None)
    settings.load_profile("any machine")
