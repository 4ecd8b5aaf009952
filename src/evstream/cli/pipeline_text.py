"""A pipeline as a shell writes it, cut at its pipes.

Only what is sure is cut. Quotes, escapes, `$(...)`, `${...}`, backquotes and parentheses are passed
over as they are, and everything that is more than programs joined by pipes is refused.
"""

from __future__ import annotations

_CLOSES = {"(": ")", "{": "}", "`": "`", '"': '"'}

_REFUSED = {
    "||": "||", "|&": "|&", "&&": "&&", ";": ";", "\n": "a line break", "<<": "<<", "&": "&",
    "#": "#",
}  # fmt: skip


def stages(text: str) -> list[str]:
    """The programs of a pipeline, each as text for a shell.

    Raises ValueError for anything but programs joined by `|`.
    """
    found, start, at = [], 0, 0
    text = text.strip()
    while at < len(text):
        letter = text[at]
        if letter == "|" and text[at + 1 : at + 2] not in {"|", "&"} and text[at - 1 : at] != ">":
            found.append(text[start:at])
            start = at = at + 1
            continue
        what = _refused(text, at)
        if what is not None:
            raise ValueError(
                f"{what} in the pipeline, expected programs joined by |, and anything else in"
                " quotes, parentheses or a script"
            )
        at = _after(text, at)
    found.append(text[start:])
    parts = [part.strip() for part in found]
    if parts[0].startswith("! "):
        raise ValueError("! in the pipeline, expected programs joined by |")
    if "" in parts:
        raise ValueError("a program is missing in the pipeline, expected 'a | b | c'")
    return parts


def _refused(text: str, at: int) -> str | None:
    """What stands at a place, if that is more than a part of a program and its arguments."""
    letter = text[at]
    if letter == "&" and (text[at - 1 : at] in {">", "<"} or text[at + 1 : at + 2] == ">"):
        return None  # 2>&1, &>
    if letter == "#" and at and not text[at - 1].isspace():
        return None  # not the begin of a comment
    if text.startswith("<<<", at) or text[at - 1 : at + 1] == "<<":
        return None
    return next((said for mark, said in _REFUSED.items() if text.startswith(mark, at)), None)


def _after(text: str, at: int) -> int:
    """The place after a character, or after what it opens. Raises ValueError if that has no end."""
    letter = text[at]
    if letter == "\\":
        return at + 2
    if letter == "'":
        escapes = text[at - 1 : at] == "$"
        end = at + 1
        while end < len(text) and text[end] != "'":
            end += 2 if escapes and text[end] == "\\" else 1
        if end >= len(text):
            raise ValueError("a quote in the pipeline has no end")
        return end + 1
    if letter in '(`"' or (letter == "{" and text[at - 1 : at] == "$"):
        return _end_of(text, at)
    return at + 1


def _end_of(text: str, at: int) -> int:
    """The place after the character that closes what is opened at a place."""
    opening, closing = text[at], _CLOSES[text[at]]
    quoted = opening == '"'
    place = at + 1
    while place < len(text):
        letter = text[place]
        if letter == closing:
            return place + 1
        if quoted and letter in "('" and not (letter == "(" and text[place - 1] == "$"):
            place += 1  # nothing special between double quotes
        else:
            place = _after(text, place)
    raise ValueError(f"{opening} in the pipeline has no {closing}")
