"""How an open stream is shown: by what is known of it, without reading on."""

from __future__ import annotations

from typing import Any


class Displayed:
    """An EventStream in a prompt or a notebook."""

    def __repr__(self: Any) -> str:
        values = "".join(f" {name}={value}," for name, value in self.header.values.items())
        return f"<{self.header.stream} stream {self.name}:{values} {_state(self)}>"

    def _repr_html_(self: Any) -> str:
        from evstream._support.html import facts, fragment  # most programs need none

        header, size = self.header, self.size
        named = [
            ("type", header.stream),
            *header.values.items(),
            *header.used_widths.items(),
            ("bytes", "not known before the end" if size is None else f"{size:,}"),
            ("read", _state(self)),
        ]
        return fragment(facts(self.name, named))


def _state(stream: Any) -> str:
    """How far a stream is read."""
    if stream.clean_end is not None:
        return "read to its end"
    if stream._closed:
        return "closed"
    done = stream.offset - stream.start
    return "not read yet" if done <= stream.header.size else f"decoded up to byte {stream.offset:,}"
