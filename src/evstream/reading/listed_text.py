"""Tell a text of event ids from the binary list that a stream of event ids is.

Any bytes can be ids, and `1`, newline, `2`, newline are the id 171051569. So a list is refused
where its first bytes are lines of numbers, maybe below the name of a column.
"""

from __future__ import annotations

import re

_TEXT = re.compile(
    rb"(\xef\xbb\xbf)?\s*(\"?[A-Za-z][A-Za-z_ ,\"]*\r?\n)?"
    rb"([+-]?[0-9]+[ \t,;]*\r?\n)+([+-]?[0-9]*\r?)"
)


def is_text(data: bytes) -> bool:
    """Whether the first bytes of a list are text."""
    return len(data) > 1 and _TEXT.fullmatch(data[:512]) is not None
