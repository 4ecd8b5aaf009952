"""The words of the spec language, defined once: keys, styles of names, widths and checks.

The loader and the checks read these tables, and a test compares spec/schema.json and
spec/README.md with them. To add a key: a word here, a line in load.py, a check if it
refers to something, and the schema and README.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Keys:
    required: tuple[str, ...]
    optional: tuple[str, ...]

    @property
    def legal(self) -> tuple[str, ...]:
        return self.required + self.optional


def _keys(required: str, optional: str = "") -> Keys:
    return Keys(tuple(required.split()), tuple(optional.split()))


KEYS = {
    "spec": _keys(
        "format doc scalars records blocks streams",
        "delimiters rules default_stream enums type_word",
    ),
    "scalar": _keys("doc widths", "env date"),
    "date": _keys("unit since"),
    "enum": _keys("doc values", "count"),
    "enum_value": _keys("value constant doc", "aliases parameter"),
    "type_word": _keys("doc fields"),
    "type_word_field": _keys("name bytes enum doc"),
    "record": _keys("doc fields", "documented"),
    "field": _keys("name type doc", "plural aliases reserved minimum assumed"),
    "delimiter": _keys("doc record match write", "documented"),
    "block": _keys("doc header", "entry end index row value"),
    "end": _keys("", "delimiter count"),
    "stream": _keys(
        "doc block",
        "aliases files deprecated source aggregation header special_sidx csv gaps variant_of where"
        " index_file",
    ),
    "stream_special": _keys("doc", "required"),
    "rule": _keys("doc fix severity check", "field limit to special_sidx blocks streams"),
}


@dataclass(frozen=True)
class Style:
    """How a name is written: it matches `pattern` as a whole."""

    name: str
    pattern: str


LONGEST_NAME = 40
SNAKE = Style("lower_snake_case", "[a-z][a-z0-9]*(_[a-z0-9]+)*")
FILE = Style("a file name", "[A-Za-z0-9][A-Za-z0-9._-]*")
UPPER = Style("UPPER_CASE", "[A-Z][A-Z0-9]*(_[A-Z0-9]+)*")
TARGET = Style(
    "stream.field, or format/stream.field",
    r"([a-z][a-z0-9_]*/)?[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*",
)
KEBAB = Style("kebab-case", "[a-z][a-z0-9]*(-[a-z0-9]+)*")
COLUMN = Style("letters and digits", "[A-Za-z][A-Za-z0-9_]*")


@dataclass(frozen=True)
class Width:
    """`low` to `high` are the whole numbers that it holds exactly."""

    kind: str
    low: int
    high: int


WIDTHS = {
    "i1": Width("int", -(2**7), 2**7 - 1),
    "i2": Width("int", -(2**15), 2**15 - 1),
    "i4": Width("int", -(2**31), 2**31 - 1),
    "i8": Width("int", -(2**63), 2**63 - 1),
    "u1": Width("unsigned", 0, 2**8 - 1),
    "u2": Width("unsigned", 0, 2**16 - 1),
    "u4": Width("unsigned", 0, 2**32 - 1),
    "u8": Width("unsigned", 0, 2**64 - 1),
    "f4": Width("float", -(2**24), 2**24),
    "f8": Width("float", -(2**53), 2**53),
}
LONGEST_TEXT = 255
ENCODINGS = ("msgpack",)
MAX_COMBINATIONS = 64


def width_of(name: str) -> Width | None:
    """What a width is: one of `WIDTHS`, or text of a fixed number of bytes, `s1` to `s255`. Text
    holds no number but 0, which stands for no text. None for an unknown one."""
    if re.fullmatch("s[1-9][0-9]{0,2}", name, re.ASCII) and int(name[1:]) <= LONGEST_TEXT:
        return Width("text", 0, 0)
    return WIDTHS.get(name)


# The names that the generator looks for: the fields of the type word, and the enum and field of
# the special sample indices.
TYPE_WORD_BYTES = 4
TYPE_WORD_FIELDS = ("aggregation", "source")
SPECIAL_SIDX = "special_sidx"

# First number of the mark that a writer leaves when it gives a stream up: no id, sidx,
# probability (as bits) or count that a stream may have.
GIVEN_UP = -7_654_321
SIDX = "sidx"


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Names that a column can't have. The attributes of an event (see evstream.event), and the
# decorator that makes one:
EVENT_NAMES = _words(
    "columns event_key header offsets own_columns property to_dense to_pandas to_polars to_rows"
)
# Modules that are generated next to those of the blocks:
MODULE_NAMES = _words("events layout records")
# Arguments of `Writer.write_event` and `write_events`, which take columns by name, and of
# `evstream.create` and `write_arrow`, which take the fields of a stream header:
WRITER_NAMES = _words("event_id event_ids item_ids losses self")
CREATE_NAMES = _words(
    "durable format index storage_options stream table target validate widths seal"
)
# The names that a generated package takes from evstream, for its stub:
FACADE = _words("""
AbsentEventError AbsentEventWarning AbsentItemWarning AggregationWarning CacheWarning CallbackReader
Change ChangedSourceError Chunk Columns Comparison Component ComponentRun CorruptStreamError Counts
CutLineWarning Dense DenseTable Difference Event EventStream EvstreamError EvstreamWarning
Explanation Finding Format HoleWarning Index LargeEventWarning MissingDelimiterWarning
MissingExtraError Part Partial Parts ReaderError Report RowsWarning Seal SealError SecondStreamError
SkippedEventWarning SourceLike SourcesLike StaleIndexError StallError StreamHeader StreamHeaderError
StreamMismatchError SuspectWarning TableError TargetLike Total TruncatedStreamError WidthWarning
WriteError Writer aggregate arrow_reader build_index compare component convert create explain
iter_batches map_parts merge open partial_aggregate parts read_arrow read_columns read_dense
read_pandas read_polars reader_class scan_polars show_progress validate write_arrow
""")
# What the writers of a record are:
RECORD_NAMES = _words("byte_mv cursor mv_write store")
# Names of the module that holds them:
RECORDS_MODULE_NAMES = _words("annotations jit load mv_write np store")

# In place of a list of arguments: the fields of the record, in wire order.
WIRE_ORDER = "fields"
# Ends of the arguments that give the dtype and the size of a field.
DTYPE_ENDS = ("_type", "_dtype")
SIZE_END = "_size"

SEVERITIES = ("error", "warning")

# What a number that is a date may count:
DATE_UNITS = ("day", "minute")


@dataclass(frozen=True)
class RuleCheck:
    """`where` says which fields it looks at: of a block's header, of its entry, of either,
    or (None) of neither, because it looks at the whole stream. A rule that is not `narrow` holds
    in every block and stream. `text` is whether the field may be text, `special` whether the rule
    may be limited to the entries of some special sidx, `to` whether it names fields of other
    files."""

    where: str | None
    limit: bool = False
    narrow: bool = True
    text: bool = False
    special: bool = False
    to: bool = False


CHECKS = {
    "positive": RuleCheck("header or entry", special=True),
    "not_reserved": RuleCheck("header"),
    "contiguous": RuleCheck("header"),
    "unique_in_event": RuleCheck("header", text=True),
    "once_in_list": RuleCheck("header", text=True),
    "consecutive": RuleCheck("header"),
    "unique": RuleCheck("header"),
    "descending": RuleCheck("header"),
    "fields_ascend": RuleCheck("header"),
    "refers": RuleCheck("header", to=True),
    "known_special": RuleCheck("entry"),
    "at_most": RuleCheck("header or entry", limit=True),
    "unique_in_block": RuleCheck("entry"),
    "samples_ascend": RuleCheck("entry"),
    "specials_ascend": RuleCheck("entry"),
    "required_special": RuleCheck("entry"),
    "finite": RuleCheck("header or entry", special=True),
    "fraction": RuleCheck("header or entry", special=True),
    "reaches_one": RuleCheck("entry"),
    "not_negative": RuleCheck("header or entry", special=True),
    "not_falling": RuleCheck("entry"),
    "not_empty": RuleCheck("header", text=True),
    "not_deprecated": RuleCheck(None),
    "final_delimiter": RuleCheck(None),
    "whole": RuleCheck(None, narrow=False),
    "single": RuleCheck(None, narrow=False),
    "expected_events": RuleCheck(None, narrow=False),
    "sealed": RuleCheck(None, narrow=False),
}
