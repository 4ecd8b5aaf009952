"""Distinguish a generated file that was edited by hand from one that is only stale.

Each generated file names, in its first lines, the SHA-256 of its own text with that digest left
out. Where both agree, the file is as it was generated, by whatever spec; where they do not,
it was edited, and writing over it would lose that work. Since the digest is that of the
file alone, a comment in the spec changes no file.
"""

from __future__ import annotations

import hashlib
import re

BLANK = "0" * 64
"""What stands in a rendered text in place of its digest."""

_LINE = re.compile(r"(?m)^(\W*digest )([0-9a-f]{64})\b")


def sealed(text: str) -> str:
    """The rendered text with its digest filled in."""
    return text.replace(f"digest {BLANK}", f"digest {_digest(text)}", 1)


def is_edited(text: str) -> bool:
    """Whether a generated file was changed after it was generated. A file without a digest was
    not generated."""
    found = _LINE.search(text)
    if found is None:
        return True
    blank = text[: found.start(2)] + BLANK + text[found.end(2) :]
    return _digest(blank) != found[2]


def _digest(text: str) -> str:
    return hashlib.sha256(text.replace("\r\n", "\n").encode()).hexdigest()
