"""What is wrong with text that is not YAML, in words for who writes a spec.

The parser says which of its tokens it missed. Most mistakes are few: a wrong indentation, a colon
too many or too few, a bracket or quote that is not closed. Each is recognised by a part of the
parser's text; anything else is passed on as it is.
"""

from __future__ import annotations

from typing import Any

import yaml

_MISTAKES = [
    # part of the problem, whether the place is where the construct began, our words
    ("mapping values are not allowed here", False,
     "a colon is not allowed here; quote a text that has ': ' in it, and check the indentation"),
    ("could not find expected ':'", True,
     "a key without a colon after it; write `key: value`, or indent the line as part of a text"),
    ("expected <block end>", False,
     "the indentation does not match the lines above; keys of one mapping start in one column"),
    ("sequence entries are not allowed here", False,
     "a list item is not allowed here; put `- ` on a line of its own, below its key"),
    ("character '\\t'", False, "a tab; indent with spaces"),
    ("expected ',' or '}'", True, "a { that is not closed, or a comma that is missing inside it"),
    ("expected ',' or ']'", True, "a [ that is not closed, or a comma that is missing inside it"),
    ("while scanning a quoted scalar", True, "a quote that is not closed"),
    ("that cannot start any token", False, "a text cannot start with this character; quote it"),
    ("found unknown escape character", False,
     "a backslash in double quotes; use single quotes, or no backslash"),
]  # fmt: skip


def explained(error: yaml.MarkedYAMLError) -> tuple[str, Any]:
    """(message, place) of what the parser found; the place is a yaml.Mark, or None."""
    said = ", ".join(filter(None, (error.context, error.problem)))
    for part, at_start, message in _MISTAKES:
        if part in said:
            return message, (error.context_mark if at_start else None) or error.problem_mark
    return f"not YAML: {said}", error.problem_mark
