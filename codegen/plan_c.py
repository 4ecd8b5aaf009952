"""Spec -> what the C header prints: the same offsets as `plan`, under names that C allows.

C has neither modules nor overloading, so the widths are part of each name:
`evs_sidx_loss_i4_f4`. A block is planned per combination of its widths, like its kernels.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from . import plan
from .language import GIVEN_UP, TYPE_WORD_BYTES
from .model import Record, Spec

PREFIX = "evs"
TEMPLATE = Path(__file__).parent / "templates" / "evstream.h.j2"

TYPES = {
    "i1": "int8_t",
    "i2": "int16_t",
    "i4": "int32_t",
    "i8": "int64_t",
    "u1": "uint8_t",
    "u2": "uint16_t",
    "u4": "uint32_t",
    "u8": "uint64_t",
    "f4": "float",
    "f8": "double",
}

SMALLEST_NORMAL = {"f4": "1.1754943508222875e-38", "f8": "2.2250738585072014e-308"}
"""A number below is subnormal: what an id is, when it is read as a float."""

# Of C99, C23, C++20 and the extensions of compilers, without those that start with an underscore
# or an upper-case letter.
KEYWORDS = """
alignas alignof and and_eq asm auto bitand bitor bool break case catch char char8_t char16_t
char32_t class co_await co_return co_yield compl concept const const_cast consteval constexpr
constinit continue decltype default delete do double dynamic_cast else enum explicit export
extern false far float for friend goto if inline int long mutable namespace near new noexcept
not not_eq nullptr operator or or_eq private protected public register reinterpret_cast requires
restrict return short signed sizeof static static_assert static_cast struct switch template
this thread_local throw true try typedef typeid typename typeof typeof_unqual union unsigned
using virtual void volatile wchar_t while xor xor_eq
"""

# Macros that take no argument: those that compilers define, and those of the headers of C, POSIX,
# Linux and Windows. A program may include these before or after ours.
MACROS = """
arm bool cdecl complex d_fileno environ errno false h_addr h_errno hpux huge hyper i386 i486 i586
i686 imaginary interface linux m68k math_errhandling mips noreturn ns32000 pascal pdp11 pixel ppc
rs6000 s6_addr s6_addr16 s6_addr32 s_addr s_host s_imp s_impno s_lh s_net sa_handler sa_sigaction
sched_priority sgi si_addr si_addr_lsb si_arch si_band si_call_addr si_fd si_int si_lower
si_overrun si_pid si_pkey si_ptr si_status si_stime si_syscall si_timerid si_uid si_upper si_utime
si_value sigev_notify_attributes sigev_notify_function small sparc st_atime st_ctime st_mtime
stderr stdin stdout sun true u3b unix vax vector
"""

TAKEN = frozenset((*KEYWORDS.split(), *MACROS.split()))

INT_MAX = 2**31 - 1


def identifier(name: str) -> str:
    """The name of a member: the field's own, unless C, C++ or a common macro has it."""
    return f"{name}_" if name in TAKEN else name


class Names:
    """Hands out names of which every form is still free in the header.

    The fixed part of the header (evs_reader, EVS_ERROR, ...) has names too, and a record, stream
    or constant of a spec may be called `reader` or ERROR: it gets an underscore.
    """

    RECORD = (
        "evs_{}",
        "EVS_{}_SIZE",
        "evs_read_{}",
        "evs_write_{}",
        "evs_next_{}",
        "evs_assert_{}",
    )
    DELIMITER = ("evs_is_{}", "evs_write_{}")
    BLOCK = ("evs_next_{}", "evs_write_gave_up_{}")
    STREAM = ("EVS_TYPE_{}",)
    CONSTANT = ("EVS_{}",)

    def __init__(self) -> None:
        words = re.findall(r"\b(?:evs|EVS)_\w+", TEMPLATE.read_text())
        self._taken = {word for word in words if not word.endswith("_")}

    def take(self, name: str, forms: tuple[str, ...]) -> str:
        """`name`, or `name` with as many underscores as it needs."""
        made = {f.format(name.upper() if f.startswith("EVS") else name) for f in forms}
        if made & self._taken:
            return self.take(f"{name}_", forms)
        self._taken |= made
        return name


def number(value: int) -> str:
    """A whole number of the spec as a constant expression of a type that holds it."""
    if -INT_MAX <= value <= INT_MAX:
        return str(value) if value >= 0 else f"({value})"
    if value < -(2**63 - 1):  # C has no negative literals
        return f"(-INT64_C({2**63 - 1}) - 1)"
    return f"INT64_C({value})" if value >= 0 else f"(-INT64_C({-value}))"


@dataclass(frozen=True)
class CNumber:
    """How a number of one width is moved: through an unsigned one of the same size."""

    dtype: str
    type: str
    size: int
    raw: str

    @property
    def bytes(self) -> tuple[tuple[int, int], ...]:
        """Each byte, and how many bits it is above the lowest."""
        return tuple((i, 8 * i) for i in range(self.size))


@dataclass(frozen=True)
class CField:
    name: str
    type: str
    dtype: str
    offset: int
    doc: str

    @property
    def text(self) -> int:
        """Bytes of a text field; 0 for a number."""
        return int(self.dtype[1:]) if self.dtype[0] == "s" else 0


@dataclass(frozen=True)
class CWidths:
    """A choice of widths as masks of a number that has a bit per width of each scalar: what
    is `used`, and what is `excluded` by that. Both are None where there is no choice."""

    used: str | None
    excluded: str | None


@dataclass(frozen=True)
class CRecord:
    """A record at one combination of widths. `limit` is the field of a stream header that no
    entry's first field is above. `minimums` are the fields that have a lowest
    legal value which their type would let them fall below."""

    name: str
    size_macro: str
    doc: str
    fields: tuple[CField, ...]
    size: int
    minimums: tuple[tuple[CField, str], ...]
    widths: CWidths
    limit: CField | None

    @property
    def type(self) -> str:
        return f"{PREFIX}_{self.name}"


@dataclass(frozen=True)
class CDelimiter:
    name: str
    doc: str
    record: CRecord
    field: CField
    value: str
    is_below_one: bool
    written: tuple[tuple[CField, str], ...]


WORD_SIZE = 4
"""Bytes of a type word."""

LOWEST_JOINED = 1 << 24
"""Type words below this may be ids of events."""


@dataclass(frozen=True)
class CBlock:
    name: str
    doc: str
    header: CRecord
    entry: CRecord | None
    delimiter: CDelimiter | None
    count: CField | None
    count_minimum: str | None
    number: int
    widths: CWidths
    zeros: tuple[CField, ...]
    reserved: tuple[tuple[CField, str], ...]
    holes: bool
    is_limited: bool
    value: CField | None
    smallest_normal: str | None
    mark_size: int

    @property
    def word(self) -> CField | None:
        """The first id, if it is an integer with all bytes of a type word: all ids below
        LOWEST_JOINED but that of the stream itself are then no type words that may join."""
        field = self.header.fields[0]
        is_wide = field.dtype[0] in "iu" and int(field.dtype[1:]) >= WORD_SIZE
        return field if is_wide else None


@dataclass(frozen=True)
class CStream:
    """A stream that has a type word, with the numbers of what follows it (0 for no header)."""

    name: str
    macro: str
    word: str
    doc: str
    header: str | None
    header_number: int
    block: str
    block_number: int

    @property
    def may_join(self) -> bool:
        """Whether an id is unlikely to be its type word; the lowest are ids of real streams."""
        return int(self.word[:-1], 16) >= LOWEST_JOINED


@dataclass(frozen=True)
class CConstant:
    macro: str
    value: str
    doc: str


@dataclass(frozen=True)
class TypeWordPart:
    name: str
    shift: int
    mask: str
    doc: str


@dataclass(frozen=True)
class CHeader:
    has_text: bool
    has_text_ids: bool
    numbers: tuple[CNumber, ...]
    type_word: CNumber
    constants: tuple[CConstant, ...]
    parts: tuple[TypeWordPart, ...]
    streams: tuple[CStream, ...]
    records: tuple[CRecord, ...]
    headers: tuple[tuple[int, CRecord], ...]
    delimiters: tuple[CDelimiter, ...]
    blocks: tuple[CBlock, ...]
    max_size: int
    mark: str

    @property
    def lowest_joined(self) -> str:
        return f"{LOWEST_JOINED}u"


def header(spec: Spec) -> CHeader:
    names = Names()
    by_name = dict(_records(spec, names))
    numbers = _header_numbers(spec)
    delimiters = dict(_delimiters(spec, by_name, names))
    type_word = f"u{TYPE_WORD_BYTES}"
    dtypes = {f.dtype for r in by_name.values() for f in r.fields} | {type_word}
    blocks = tuple(_block(spec, m, by_name, delimiters, names) for m in plan.block_modules(spec))
    return CHeader(
        has_text=any(f.text for r in by_name.values() for f in r.fields),
        has_text_ids=any(f.text for b in blocks if b.holes for f in b.zeros),
        numbers=tuple(_number(dtype) for dtype in TYPES if dtype in dtypes),
        type_word=_number(type_word),
        constants=tuple(
            CConstant(
                f"{PREFIX.upper()}_{names.take(c.name, Names.CONSTANT)}", number(c.value), c.doc
            )
            for c in plan.constants(spec)
        ),
        parts=tuple(_parts(spec)),
        streams=tuple(_streams(spec, names)),
        records=tuple(by_name.values()),
        headers=tuple(
            (number, by_name[_variant(spec, spec.records[name], widths)])
            for name, number in numbers.items()
            for widths in plan.combinations(spec, plan.scalars_of(spec, name))
        ),
        delimiters=tuple(delimiters.values()),
        blocks=blocks,
        max_size=max(TYPE_WORD_BYTES, *(r.size for r in by_name.values())),
        mark=f"0x{GIVEN_UP & 0xFFFFFFFF:08x}u",
    )


def _header_numbers(spec: Spec) -> dict[str, int]:
    """The stream headers, numbered from 1."""
    used = {s.header for s in spec.streams.values() if s.header is not None}
    return {name: n for n, name in enumerate((r for r in spec.records if r in used), start=1)}


def _limits(spec: Spec) -> dict[str, set[str]]:
    """Field of a stream header -> the field that it limits, which marks a delimiter."""
    matched = {name for delimiter in spec.delimiters.values() for name, _ in delimiter.match}
    limits: dict[str, set[str]] = {}
    for rule in spec.rules.values():
        if rule.limit is not None and (fields := matched.intersection(rule.fields)):
            limits.setdefault(rule.limit, set()).update(fields)
    return limits


def _block_numbers(spec: Spec) -> dict[str, int]:
    return {name: n for n, name in enumerate(spec.blocks, start=1)}


def _widths(spec: Spec, widths: plan.Widths) -> CWidths:
    bits = [(s.name, w) for s in spec.scalars.values() if len(s.widths) > 1 for w in s.widths]
    used = sum(1 << i for i, (name, width) in enumerate(bits) if widths.get(name) == width)
    chosen = {name for name, _ in bits if name in widths}
    both = sum(1 << i for i, (name, _) in enumerate(bits) if name in chosen)
    if not chosen:
        return CWidths(None, None)
    return CWidths(f"0x{used:x}u", f"0x{both ^ used:x}u")


def _variant(spec: Spec, record: Record, widths: plan.Widths) -> str:
    """item_header, i4 -> item_header_i4; `widths` may be of more scalars than are used."""
    own = {name: widths[name] for name in plan.scalars_of(spec, record.name)}
    return "_".join(part for part in (record.name, plan.suffix(spec, own)) if part)


def _records(spec: Spec, names: Names) -> Iterator[tuple[str, CRecord]]:
    """Each record at each combination of its widths, with its key: see `_variant`."""
    limits = _limits(spec)
    for record in spec.records.values():
        for widths in plan.combinations(spec, plan.scalars_of(spec, record.name)):
            placed = plan.place(record, widths)
            key = _variant(spec, record, widths)
            name = names.take(key, Names.RECORD)
            fields = tuple(_field(f) for f in placed.fields)
            yield (
                key,
                CRecord(
                    name=name,
                    size_macro=f"{PREFIX}_{name}_size".upper(),
                    doc=record.doc,
                    fields=fields,
                    size=placed.size,
                    minimums=tuple(
                        (field, number(minimum))
                        for field, of_spec in zip(fields, record.fields, strict=True)
                        if (minimum := _minimum(field.dtype, of_spec.minimum)) is not None
                    ),
                    widths=_widths(spec, widths),
                    limit=next(
                        (f for f, s in zip(fields, record.fields, strict=True) if s.name in limits),
                        None,
                    ),
                ),
            )


def _field(placed: plan.PlacedField) -> CField:
    name = identifier(placed.name)
    kind = "char" if placed.is_text else TYPES[placed.dtype]
    return CField(name, kind, placed.dtype, placed.offset, placed.doc)


def _minimum(dtype: str, minimum: int | None) -> int | None:
    """None where nothing is to be tested: a compiler warns of `unsigned < 0`."""
    return None if dtype[0] == "u" and minimum == 0 else minimum


def _number(dtype: str) -> CNumber:
    return CNumber(dtype, TYPES[dtype], int(dtype[1:]), TYPES[f"u{dtype[1:]}"])


def _parts(spec: Spec) -> Iterator[TypeWordPart]:
    shift = 0
    for field in spec.type_word.fields:
        mask = (1 << 8 * field.bytes) - 1
        yield TypeWordPart(field.name, shift, f"0x{mask:x}u", field.doc)
        shift += 8 * field.bytes


def _streams(spec: Spec, names: Names) -> Iterator[CStream]:
    for stream in plan.stream_plans(spec):
        if stream.type_word is None:
            continue
        name = stream.stream.name
        doc = stream.stream.doc
        if stream.stream.deprecated is not None:
            doc = f"{doc} Deprecated: {stream.stream.deprecated}."
        word = f"0x{int.from_bytes(stream.type_word, 'little'):08x}u"
        macro = f"{PREFIX}_type_{names.take(name, Names.STREAM)}".upper()
        header, block = stream.stream.header, stream.stream.block
        yield CStream(
            name, macro, word, doc,
            header, _header_numbers(spec).get(header or "", 0),
            block, _block_numbers(spec)[block],
        )  # fmt: skip


def _delimiters(
    spec: Spec, records: dict[str, CRecord], names: Names
) -> Iterator[tuple[str, CDelimiter]]:
    """Each delimiter at each combination of the widths of its record, with its key."""
    for delimiter in spec.delimiters.values():
        record = spec.records[delimiter.record]
        for widths in plan.combinations(spec, plan.scalars_of(spec, record.name)):
            variant = _variant(spec, record, widths)
            of_entry = records[variant]
            key = _delimiter_key(variant, record, delimiter.name)
            fields = {f.offset: f for f in of_entry.fields}
            placed = plan.place_delimiter(delimiter, plan.place(record, widths))
            yield (
                key,
                CDelimiter(
                    name=names.take(key, Names.DELIMITER),
                    doc=delimiter.doc,
                    record=of_entry,
                    field=fields[placed.field.offset],
                    value=number(placed.value),
                    is_below_one=placed.value < 1,
                    written=tuple((fields[f.offset], number(v)) for f, v in placed.written),
                ),
            )


def _delimiter_key(variant: str, record: Record, name: str) -> str:
    """The delimiter with the widths of its record."""
    return name + variant.removeprefix(record.name)


def _block(
    spec: Spec,
    module: plan.BlockModule,
    records: dict[str, CRecord],
    delimiters: dict[str, CDelimiter],
    names: Names,
) -> CBlock:
    block = module.block
    of_header = records[_variant(spec, spec.records[block.header], module.widths)]
    entry, delimiter, count = None, None, None
    if block.entry is not None:
        record = spec.records[block.entry]
        variant = _variant(spec, record, module.widths)
        entry = records[variant]
        if block.delimiter is not None:
            delimiter = delimiters[_delimiter_key(variant, record, block.delimiter)]
    if module.count is not None:
        count = next(f for f in of_header.fields if f.offset == module.count.offset)
    reserved = tuple(
        (field, number(value))
        for field, placed in zip(of_header.fields, module.header.fields, strict=True)
        for value in placed.reserved
    )
    ids = tuple(f for f in of_header.fields if f.dtype[0] != "f" and f is not count)
    floats = (f for f in (entry.fields if entry else ()) if f.dtype in SMALLEST_NORMAL)
    value = next(floats, None)
    return CBlock(
        name=names.take(module.name.removesuffix("_"), Names.BLOCK),
        doc=block.doc,
        header=of_header,
        entry=entry,
        delimiter=delimiter,
        count=count,
        count_minimum=next((low for f, low in of_header.minimums if f is count), None),
        number=_block_numbers(spec)[block.name],
        widths=_widths(spec, module.widths),
        zeros=ids if entry else of_header.fields,
        reserved=reserved,
        holes=any(value == "0" for _, value in reserved),
        is_limited=module.delimiter is not None
        and any(module.delimiter.field.name in limited for limited in _limits(spec).values()),
        value=value,
        smallest_normal=SMALLEST_NORMAL[value.dtype] if value else None,
        mark_size=min(r.size for r in (of_header, entry) if r is not None) - 1,
    )
