"""The C header `evstream.h`, and where a compiler finds it: -I"$(python -m evstream.include)"."""

from __future__ import annotations

from pathlib import Path

FOLDER = str(Path(__file__).parent)
"""The folder of evstream.h."""
