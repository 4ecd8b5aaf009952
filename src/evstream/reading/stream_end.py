"""Where a stream can be read no further, and whether that is its end or an error.

End of file inside a record or a counted block is an error, and so is a block header with
nothing after it. End of file between two entries without a delimiter is what the C++ tools
write at the very end: a warning that names the place, an error under strict.
"""

from __future__ import annotations

from typing import Any

from evstream._support.protocol import AT_HEADER
from evstream.errors import (
    CorruptStreamError,
    MissingDelimiterWarning,
    TruncatedStreamError,
    warn,
)
from evstream.wire.header import StreamHeader
from evstream.wire.stream_edge import given_up_mark


def block_ids(header: StreamHeader, state: Any) -> dict[str, Any]:
    """The ids of the block that `state` is in, for messages."""
    return {name: state[f"{name}_"] for name in header.key_columns}


def bad_count(header: StreamHeader, data: Any, source: str, offset: int) -> CorruptStreamError:
    """The error of a block header, the first bytes of `data`, whose count is negative."""
    dtype = header.block_dtype
    values = data[: dtype.itemsize].view(dtype)[0]
    ids = {name: values[name] for name in header.key_columns}
    name = str(header.block.count)
    count = values[name]
    return CorruptStreamError(
        f"{name} is {count}", source=source, offset=offset, ids=ids, expected="0 or more"
    )


def check_end(
    header: StreamHeader, state: Any, offset: int, rest: bytes, source: str
) -> TruncatedStreamError | None:
    """Judge the end of a stream: `rest` are its last bytes, from `offset` on, in no whole record.

    None when it is clean; what only misses its final delimiter is not raised but returned,
    for `report_unclosed`. Raises TruncatedStreamError for any other end.
    """
    block = header.block
    at_header = int(state["phase"]) == AT_HEADER
    ids = {} if at_header else block_ids(header, state)
    left = len(rest)
    if rest and rest == given_up_mark(header):
        raise TruncatedStreamError(
            "the stream is not complete: its writer gave up here", source=source, offset=offset,
            ids=ids,
        )  # fmt: skip
    if left:
        record = block.header if at_header else str(block.entry)
        size = header.record_dtype(record).itemsize
        raise TruncatedStreamError(
            f"the stream ends inside record {record}, after {left} of its {size} bytes",
            source=source,
            offset=offset,
            ids=ids,
            expected=f"{size - left} more bytes",
        )
    if at_header:
        return None
    if block.count is not None and state["entries"] > 0:
        raise TruncatedStreamError(
            f"the stream ends after {state['entries']} of the block's {block.entry} entries",
            source=source,
            offset=offset,
            ids=ids,
            expected=f"{state['left']} more",
        )
    if state["entries"] == 0:
        ending = f" or a {block.delimiter}" if block.delimiter else ""
        raise TruncatedStreamError(
            f"the stream ends right after its {block.header}",
            source=source,
            offset=int(state["start"]),
            ids=ids,
            expected=f"{block.entry} entries{ending}",
        )
    return TruncatedStreamError(
        "the stream ends without the final delimiter", source=source, offset=offset, ids=ids
    )


def report_unclosed(missing: TruncatedStreamError | None, strict: bool) -> None:
    """Raise what `check_end` returned, or warn of it unless `strict`."""
    if missing is not None and strict:
        raise missing
    if missing is not None:
        warn(str(missing), MissingDelimiterWarning)
