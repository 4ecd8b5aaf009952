"""Judge the end of a stream.

A stream that ends inside a record or a counted block, or right after a block header, is truncated:
an error. The C++ tools leave out the final delimiter, so a stream that ends between two entries
gives only a warning, unless reading is strict.
"""

from __future__ import annotations

from typing import Any

from evstream._support.protocol import AT_HEADER
from evstream.errors import (
    CorruptStreamError,
    MissingDelimiterWarning,
    TruncatedStreamError,
    warn_like,
)
from evstream.wire.header import StreamHeader
from evstream.wire.stream_edge import given_up_mark


def block_ids(header: StreamHeader, state: Any) -> dict[str, Any]:
    """The ids of the block that `state` is in, for messages."""
    return {name: state[f"{name}_"] for name in header.key_columns}


def bad_count(header: StreamHeader, data: Any, source: str, offset: int) -> CorruptStreamError:
    """The error for a block header, at the start of `data`, with a count below its minimum."""
    dtype = header.block_dtype
    values = data[: dtype.itemsize].view(dtype)[0]
    ids = {name: values[name] for name in header.key_columns}
    name = str(header.block.count)
    count = values[name]
    (low,) = (f.minimum for f in header.block_fields if f.name == name)
    return CorruptStreamError(
        f"{name} is {count}", source=source, offset=offset, ids=ids, expected=f"{low} or more"
    )


def check_end(
    header: StreamHeader, state: Any, offset: int, rest: bytes, source: str
) -> TruncatedStreamError | None:
    """Judge the end of a stream, whose last bytes `rest`, from `offset` on, are less than a record.

    None for a clean end. An error for a missing final delimiter is returned, for
    `report_unclosed`; TruncatedStreamError is raised for any other end.
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
    """Raise the error that `check_end` returned, or warn of it unless `strict`."""
    if missing is not None and strict:
        raise missing
    if missing is not None:
        warn_like(missing, MissingDelimiterWarning)
