"""JSON lines that all have the form of the first, as programs print them."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from evstream._support.jit import is_enabled
from evstream.text.limits import LOOKAHEAD
from evstream.text.lines import Block

Array = npt.NDArray[Any]

_NUMBER = re.compile(r"-?[0-9][0-9.eE+-]*")


class AlikeObjects:
    """Lines with the same text around their numbers.

    Args:
        pieces: the text before each number, and that after the last.
    """

    def __init__(self, pieces: Sequence[str]) -> None:
        texts = [piece.encode() for piece in pieces]
        words = [-(-len(text) // 8) for text in texts]
        starts = 8 * np.cumsum([0, *words[:-1]])
        plan = np.array([starts, list(map(len, texts)), words], np.int64)
        self._plan = np.ascontiguousarray(plan.T).reshape(-1).view(np.uint8)
        self._pieces = _in_words(texts)
        self._masks = _in_words([b"\xff" * len(text) for text in texts])

    @classmethod
    def of(cls, line: str, names: Sequence[str]) -> AlikeObjects | None:
        """Those like a line with these names; None if its values are not all numbers, and where
        nothing is compiled."""
        pieces, at = [], 0
        for name in names:
            before = re.compile(r"[\s{,]*" + re.escape(json.dumps(name)) + r"\s*:\s*")
            piece = before.match(line, at)
            number = None if piece is None else _NUMBER.match(line, piece.end())
            if piece is None or number is None:
                return None
            pieces.append(piece.group())
            at = number.end()
        if re.fullmatch(r"\s*\}\s*", line[at:]) is None or not is_enabled():
            return None
        return cls([*pieces, line[at:]])

    def values(self, block: Block) -> Block | None:
        """The numbers of each line with commas between them, as CSV; None if a line has another
        form."""
        from evstream.text.json_kernels import keep_values

        out = np.empty(block.end - block.start + 2 * LOOKAHEAD, np.uint8)
        end = keep_values(
            block.buffer, block.start, block.end, self._pieces, self._masks, self._plan, out
        )
        return None if end < 0 else Block(out, 0, int(end), block.lines)


def _in_words(texts: Sequence[bytes]) -> Array:
    """Texts one after the other, each filled up to whole words."""
    words = bytearray()
    for text in texts:
        words += text + bytes(-len(text) % 8)
    return np.frombuffer(words, np.uint8)
