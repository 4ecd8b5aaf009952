"""The golden files of a run folder: every type beside the streams, byte by byte.

write_golden.py writes them. Each folder in `run_folder` has files under their usual names, as only
the name says what a file is; FOLDER.txt says what each of their bytes means, and manifest.json
what a reader has to find. As for the streams, all three come from the tables below, nothing is
decoded, and nothing is shared with evstream.

The first half of this file is the encoder, the second half the files.
"""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

FOLDER = "run_folder"

STRUCT = {"u1": "<B", "i4": "<i", "i8": "<q", "u4": "<I", "u8": "<Q", "f4": "<f", "f8": "<d"}
BUILDS = {"narrow": {"f": "f4", "ap": "u4"}, "wide": {"f": "f8", "ap": "u8"}}
"""Build of the tools -> what OASIS_FLOAT and OASIS_AREAPERIL_TYPE are."""

Row = Sequence[float]
Fields = list[tuple[str, str]]

ABOUT = {
    "type": "name in spec/files.yaml",
    "files": "name, size and SHA-256; an index file is the second",
    "header": "fields of the file's header",
    "columns": "in the order of rows: first those of a block, then those of its entries",
    "rows": "a column that the file leaves out because it is the number of the row included",
    "blocks": "first id and number of entries of each block, where there are blocks of several",
    "is_packed": "whether each block is compressed by zlib, here without making it smaller",
}


class Kind(NamedTuple):
    """A type of file: its usual name, the fields of its header, and those of a row."""

    file: str
    fields: str
    rows: Sequence[Row]
    header: str = ""
    values: Row = ()
    number: str = ""  # the column that is the number of the row
    block: str = ""  # the ids that open a block of several rows, then their number
    index: str = ""  # the fields of the index file


class Golden:
    """The files of one type, the meaning of their bytes, and what a reader has to find."""

    def __init__(self, name: str, kind: Kind, build: str, is_packed: bool = False) -> None:
        self.name, self.kind, self.build, self.is_packed = name, kind, build, is_packed
        self.data, self.index = bytearray(), bytearray()
        self.listing: list[str] = []
        self.index_listing: list[str] = []
        self.blocks: list[tuple[int, int]] = []
        self.header = fields_of(kind.header, build)
        self.fields = fields_of(kind.fields, build)
        self.put(self.header, kind.values)
        if kind.index:
            self.indexed()
        elif kind.block:
            opens = fields_of(kind.block, build)
            for ids, rows in self.runs():
                self.put(opens, (*ids, len(rows)))
                for row in rows:
                    self.put(self.fields, row)
        else:
            for row in kind.rows:
                self.put(self.fields, row)

    def put(self, fields: Fields, values: Row) -> None:
        """Append one record."""
        write(self.data, self.listing, fields, values)

    def runs(self) -> Iterator[tuple[Row, list[Row]]]:
        """The blocks, by the first values of their rows, which the entries lack; a row of its ids
        alone is a block without entries."""
        n = self.kind.block.count(",")
        for ids in dict.fromkeys(tuple(row[:n]) for row in self.kind.rows):
            rows = [row[n:] for row in self.kind.rows if tuple(row[:n]) == ids and len(row) > n]
            self.blocks.append((int(ids[0]), len(rows)))
            yield ids, rows

    def indexed(self) -> None:
        """The entries of the blocks, and in the index file where those of each are."""
        index = fields_of(self.kind.index, self.build)
        for (event,), rows in self.runs():
            start, plain, lines = len(self.data), bytearray(), []
            for row in rows:
                write(plain, lines, self.fields, row)
            stored = stored_by_zlib(bytes(plain)) if self.is_packed else bytes(plain)
            self.data += stored
            if self.is_packed:
                self.listing.append(line(start, stored, f"block {event}, compressed; within it:"))
                self.listing += [f"  + {text}" for text in lines]
            else:
                self.listing += lines if not start else relative(lines, start)
            places = {"offset": start, "size": len(stored), "expanded_size": len(plain)}
            places["original_size"] = len(plain) if self.is_packed else 0
            values = [places.get(name, event) for name, _ in index]
            write(self.index, self.index_listing, index, values)

    def names(self) -> list[str]:
        end = ".z" if self.is_packed else ""
        names = [self.kind.file + end]
        return [*names, self.kind.file.replace(".bin", ".idx") + end] if self.kind.index else names

    def contents(self) -> dict[str, bytes]:
        return dict(zip(self.names(), (bytes(self.data), bytes(self.index)), strict=False))

    def manifest_entry(self, folder: str) -> dict[str, object]:
        kind = self.kind
        first = [kind.number] if kind.number else []
        first += [name for name, _ in fields_of(kind.block, self.build)[:-1]]
        rows = [list(row) for row in kind.rows if len(row) > 1 or not kind.block]
        if kind.number:
            rows = [[number, *row] for number, row in enumerate(rows, start=1)]
        return {
            "type": self.name,
            "folder": folder,
            "files": [
                {"name": name, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
                for name, data in self.contents().items()
            ],
            "widths": {"oasis_float": BUILDS[self.build]["f"],
                       "areaperil_int": BUILDS[self.build]["ap"]},
            "header": dict(zip([name for name, _ in self.header], kind.values, strict=True)),
            "columns": [*first, *(name for name, _ in self.fields)],
            "rows": rows,
            "blocks": self.blocks or None,
            "is_packed": self.is_packed,
        }  # fmt: skip

    def text(self) -> str:
        listings = zip(self.contents().items(), (self.listing, self.index_listing), strict=False)
        return "\n".join(
            f"{name}: {self.name}, {len(data)} bytes\n" + "".join(f"{text}\n" for text in lines)
            for (name, data), lines in listings
        )


def fields_of(text: str, build: str) -> Fields:
    """Names and widths of "item_id i4, tiv f"."""
    pairs = [field.split() for field in text.split(", ") if field]
    return [(name, BUILDS[build].get(width, width)) for name, width in pairs]


def write(data: bytearray, listing: list[str], fields: Fields, values: Row) -> None:
    for (name, width), value in zip(fields, values, strict=True):
        raw = struct.pack(STRUCT[width], value)
        # The manifest gives values as numbers: they have to be what the file holds.
        assert struct.unpack(STRUCT[width], raw)[0] == value, (name, width, value)
        listing.append(line(len(data), raw, f"{name} = {value}"))
        data += raw


def line(offset: int, raw: bytes, meaning: str) -> str:
    shown = raw.hex(" ") if len(raw) <= 8 else f"{raw[:2].hex(' ')} ... ({len(raw)} bytes)"
    return f"{offset:>7}  {shown:<23}  {meaning}"


def relative(lines: list[str], start: int) -> list[str]:
    return [f"{int(text[:7]) + start:>7}{text[7:]}" for text in lines]


def stored_by_zlib(data: bytes) -> bytes:
    """A zlib stream of one block that is stored as it is, the same by every version of zlib."""
    size = struct.pack("<HH", len(data), 0xFFFF ^ len(data))
    return b"\x78\x01\x01" + size + data + struct.pack(">I", zlib.adler32(data))


# ---------------------------------------------------------------------------

U4_MAX = 2**32 - 1
I4_MAX = 2**31 - 1

PROFILE = (
    "profile_id i4, calcrule_id i4, deductible1 f, deductible2 f, deductible3 f, attachment1 f, "
    "limit1 f, share1 f, share2 f, share3 f"
)
STEPS = (
    "step_id i4, trigger_start f, trigger_end f, payout_start f, payout_end f, limit2 f, "
    "scale1 f, scale2 f"
)
OCCURS = (
    "period_no i4, period_weight f, event_id i4, year i4, month i4, day i4, hour i4, minute i4, "
    "summary_id i4"
)
MOMENTS = (
    "chance_of_loss f, mean_loss f, sd_loss f, max_loss f, footprint_exposure f, "
    "mean_impacted_exposure f, max_impacted_exposure f"
)
SUMMARY = "item_id i4, summary_id i4, summaryset_id i4"
OCCURRENCE = "event_id i4, period_no i4, occ_date_id i4"
DATED = "date_options i4, no_of_periods i4"
BINS = "no_of_damage_bins i4"
DAMAGE = "intensity_bin_id i4, damage_bin_id i4, probability f"
CURVE = "ep_type i4, return_period f, loss f"
FOOTPRINT = "areaperil_id ap, intensity_bin_id i4, probability f"
FOOTPRINT_HEADER = "no_of_intensity_bins i4, footprint_options i4"
EVENT = "event_id i4, no_of_probabilities i4"  # neither is in the file itself
PLACE = "offset i8, size i8"
CORRELATION = (
    "item_id i4, peril_correlation_group i4, damage_correlation_value f, hazard_group_id i4, "
    "hazard_correlation_value f"
)
BLOCKS = [(7, 1, 1, 0.25), (7, 1, 2, 0.75), (3,), (9, U4_MAX, 2, 1.0), (I4_MAX, 2, 2, 1.0)]
"""Rows of footprints: blocks out of the order of their ids, and one without entries."""
CERTAIN = [(7, 1, 1, 1.0), (7, 2, 2, 1.0), (9, U4_MAX, 2, 1.0)]
FUNCTIONS = [(5, 1, 1, 0.25), (5, 1, 2, 0.75), (2, 1, 2, 1.0)]

KINDS = {
    "items": Kind(
        "items.bin",
        "item_id i4, coverage_id u4, areaperil_id ap, vulnerability_id i4, group_id u4",
        [(1, 1, 11, 5, 1), (2, 2, U4_MAX, 2, U4_MAX), (3, 2, 12, 5, 0)],
    ),
    "complex_items": Kind(
        "complex_items.bin", "model_data u1",
        [(1, 1, 7, byte) for byte in b"\xaba, \"b\"\n\xc3\xa4 c"]
        + [(2, U4_MAX, 0, byte) for byte in b"\xa0"]
        + [(3, 1, U4_MAX, byte) for byte in b"\xd9\x20" + 32 * b"z"],
        block="item_id i4, coverage_id u4, group_id u4, model_data_len u4",
    ),
    "coverages": Kind("coverages.bin", "tiv f", [(220000.0,), (0.5,)], number="coverage_id"),
    "correlations": Kind(
        "correlations.bin", CORRELATION, [(1, 1, 0.5, 8, 0.0), (2, 0, 1.0, 0, 0.25)]
    ),
    "gul_summary_xref": Kind("gulsummaryxref.bin", SUMMARY, [(1, 1, 1), (2, 1, 1), (3, 2, 1)]),
    "fm_summary_xref": Kind(
        "fmsummaryxref.bin", SUMMARY.replace("item_id", "output"), [(1, 1, 1), (2, 1, 1)]
    ),
    "fm_programme": Kind(
        "fm_programme.bin", "from_agg_id i4, level_id i4, to_agg_id i4",
        [(1, 1, 1), (2, 1, 1), (3, 1, 2)],
    ),
    "fm_policytc": Kind(
        "fm_policytc.bin", "level_id i4, agg_id i4, layer_id i4, profile_id i4",
        [(1, 1, 1, 4), (1, 2, 1, I4_MAX)],
    ),
    "fm_profile": Kind(
        "fm_profile.bin", PROFILE,
        [(4, 1, 10.0, 0.5, 20.0, 100.0, 5000.0, 0.25, 0.5, 0.75),
         (I4_MAX, 100, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)],
    ),
    "fm_profile_step": Kind(
        "fm_profile_step.bin", f"{PROFILE}, {STEPS}",
        [(4, 27, 1.5, 0.0, 2.5, 3.5, 4.5, 0.125, 0.25, 0.5, 1, 0.0, 0.25, 0.5, 1.0, 6.5, 7.5, 8.5),
         (I4_MAX, 28, *[0.5] * 8, 2, *[0.75] * 7)],
    ),
    "fm_xref": Kind(
        "fm_xref.bin", "output i4, agg_id i4, layer_id i4", [(1, 1, 1), (2, 2, 1)]
    ),
    "damagebin": Kind(
        "damage_bin_dict.bin",
        "bin_index i4, bin_from f, bin_to f, interpolation f, damage_type i4",
        [(1, 0.0, 0.0, 0.0, 0), (2, 0.0, 1.0, 0.5, -1)],
    ),
    "aggregatevulnerability": Kind(
        "aggregate_vulnerability.bin", "aggregate_vulnerability_id i4, vulnerability_id i4",
        [(100, 5), (100, 2)],
    ),
    "weights": Kind(
        "weights.bin", "areaperil_id ap, vulnerability_id i4, weight f",
        [(11, 5, 0.75), (U4_MAX, 2, 1000.0)],
    ),
    "vulnerability": Kind(
        "vulnerability.bin", f"vulnerability_id i4, {DAMAGE}", FUNCTIONS, BINS, (2,)
    ),
    "conditionalvulnerability": Kind(
        "conditional_vulnerability.bin",
        "vulnerability_id i4, source_damage_bin i4, damage_bin i4, probability f",
        FUNCTIONS, BINS, (2,),
    ),
    "periods": Kind("periods.bin", "period_no i4, weighting f8", [(1, 0.1), (2, 0.9)]),
    "returnperiods": Kind("returnperiods.bin", "return_period i4", [(I4_MAX,), (250,), (1,)]),
    "quantile": Kind("quantile.bin", "quantile f4", [(0.0,), (0.25,), (1.0,)]),
    "random": Kind("random.bin", "random_no f4", [(0.875,), (2.0**-24,)]),
    "occurrence": Kind(  # 0000-03-01, 2024-02-29, 9999-12-31
        "occurrence.bin", OCCURRENCE,
        [(7, 1, 0), (3, 2, 739250), (I4_MAX, 2, 3652364)], DATED, (1, 2),
    ),
    "amplifications": Kind(
        "amplifications.bin", "item_id i4, amplification_id i4", [(1, 3), (2, 4), (3, 3)],
        "amplification_options i4", (0,),
    ),
    "lossfactors": Kind(
        "lossfactors.bin", "amplification_id i4, factor f4",
        [(7, 3, 1.5), (7, 4, 0.25), (3, 3, 1.0)], "factor_options i4", (0,),
        block="event_id i4, no_of_factors i4",
    ),
    "selt": Kind(
        "selt.bin",
        "event_id i4, summary_id i4, sample_id i4, loss f, impacted_exposure f",
        [(7, 1, -1, 0.125, 10.0), (7, 2, 1, -0.5, 0.0)],
    ),
    "melt": Kind(
        "melt.bin", f"event_id i4, summary_id i4, sample_type i4, event_rate f, {MOMENTS}",
        [(7, 1, 1, 0.5, 0.25, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0),
         (7, 1, 2, 0.0, 1.0, 1e10, 0.0, 1e10, 1.5, 2.5, 3.5)],
    ),
    "qelt": Kind(
        "qelt.bin", "event_id i4, summary_id i4, quantile f, loss f",
        [(7, 1, 0.25, 0.0), (7, 1, 1.0, 0.125)],
    ),
    "splt": Kind(
        "splt.bin", f"{OCCURS}, sample_id i4, loss f, impacted_exposure f",
        [(1, 0.5, 7, 2024, 2, 29, 23, 59, 1, -1, 0.125, 10.0),
         (2, 0.25, 3, 1, 12, 31, 0, 0, 2, 1, 0.0, 0.0)],
    ),
    "mplt": Kind(
        "mplt.bin", f"{OCCURS}, sample_type i4, {MOMENTS}",
        [(1, 0.5, 7, 2024, 2, 29, 23, 59, 1, 1, 0.25, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0),
         (2, 0.25, 3, 1, 12, 31, 0, 0, 2, 2, 1.0, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5)],
    ),
    "qplt": Kind(
        "qplt.bin", f"{OCCURS}, quantile f, loss f",
        [(1, 0.5, 7, 2024, 2, 29, 23, 59, 1, 0.5, 0.125),
         (2, 0.5, 3, 1, 12, 31, 0, 0, 2, 1.0, 0.0)],
    ),
    "aal": Kind(
        "aal.bin", "summary_id i4, sample_type i4, mean_loss f, sd_loss f",
        [(1, 1, 0.125, 0.5), (I4_MAX, 2, 1e10, 0.0)],
    ),
    "aalmeanonly": Kind(
        "aalmeanonly.bin", "summary_id i4, sample_type i4, mean_loss f",
        [(1, 1, 0.125), (1, 2, 0.25)],
    ),
    "alct": Kind(
        "alct.bin",
        "summary_id i4, mean_loss f, sd_loss f, sample_size i4, lower_ci f, upper_ci f, "
        "standard_error f, relative_error f, var_element_haz f, standard_error_haz f, "
        "relative_error_haz f, var_element_vuln f, standard_error_vuln f, relative_error_vuln f",
        [(1, 1.5, 2.5, 10, 3.5, 4.5, 5.5, 6.5, 7.5, 8.5, 9.5, 10.5, 11.5, 12.5)],
    ),
    "ept": Kind(
        "ept.bin", f"summary_id i4, ep_calc i4, {CURVE}", [(1, 2, 3, 250.5, 0.125), (1, 4, 1, 2, 0)]
    ),
    "psept": Kind(
        "psept.bin", f"summary_id i4, sample_id i4, {CURVE}", [(1, -1, 3, 250.5, 0.125)]
    ),
}  # fmt: skip
"""The types that one folder can hold beside each other."""

VARIANTS = {
    "sources": ("correlations_source", Kind(
        "correlations.bin", f"{CORRELATION}, source_item_id i4",
        [(1, 1, 0.5, 8, 0.0, 1), (2, 0, 1.0, 0, 0.25, 1), (3, 0, 1.0, 0, 0.25, 3)],
    )),
    "minutes": ("occurrence_minutes", Kind(
        "occurrence.bin", OCCURRENCE.replace("occ_date_id i4", "occ_date_id i8"),
        [(7, 1, 0), (3, 2, 739250 * 1440 + 1439), (I4_MAX, 2, 3652364 * 1440)], DATED, (3, 2),
    )),
    "numbers": ("occurrence_numbers", Kind(
        "occurrence.bin", OCCURRENCE, [(7, 1, -1), (3, 2, I4_MAX)], DATED, (0, 2),
    )),
    "indexed": ("vulnerability_indexed", Kind(
        "vulnerability.bin", DAMAGE, FUNCTIONS, BINS, (2,),
        block=EVENT.replace("event_id", "vulnerability_id"),
        index=f"vulnerability_id i4, {PLACE}, original_size i8",
    )),
    "several": ("footprint", Kind(
        "footprint.bin", FOOTPRINT, BLOCKS, FOOTPRINT_HEADER, (2, 1), block=EVENT,
        index=f"event_id i4, {PLACE}",
    )),
    "certain": ("footprint_certain", Kind(
        "footprint.bin", FOOTPRINT, CERTAIN, FOOTPRINT_HEADER, (2, 0), block=EVENT,
        index=f"event_id i4, {PLACE}",
    )),
    "several_sized": ("footprint_sized", Kind(
        "footprint.bin", FOOTPRINT, BLOCKS, FOOTPRINT_HEADER, (2, 3), block=EVENT,
        index=f"event_id i4, {PLACE}, expanded_size i8",
    )),
    "certain_sized": ("footprint_certain_sized", Kind(
        "footprint.bin", FOOTPRINT, CERTAIN, FOOTPRINT_HEADER, (2, 2), block=EVENT,
        index=f"event_id i4, {PLACE}, expanded_size i8",
    )),
}  # fmt: skip
"""Folder -> a type whose files have the name of another one."""


def files() -> Iterator[tuple[str, Golden]]:
    """Every file with its folder."""
    for build in BUILDS:
        for name, kind in KINDS.items():
            yield build, Golden(name, kind, build)
    for folder, (name, kind) in VARIANTS.items():
        for build, end in (("narrow", ""), ("wide", "_wide")):
            yield folder + end, Golden(name, kind, build)
        if kind.index:
            yield f"{folder}_packed", Golden(name, kind, "narrow", is_packed=True)


def outputs() -> dict[str, bytes]:
    """The contents of every file by its path from here."""
    contents: dict[str, bytes] = {}
    texts: dict[str, list[str]] = {}
    entries = []
    for folder, golden in files():
        for name, data in golden.contents().items():
            assert f"{FOLDER}/{folder}/{name}" not in contents
            contents[f"{FOLDER}/{folder}/{name}"] = data
        texts.setdefault(folder, []).append(golden.text())
        entries.append(json.dumps(golden.manifest_entry(folder), allow_nan=False))
    for folder, parts in texts.items():
        contents[f"{FOLDER}/{folder}.txt"] = "\n".join(parts).encode()
    about = json.dumps(ABOUT, indent=2).replace("\n", "\n ")
    lines = ",\n  ".join(entries)
    contents[f"{FOLDER}/manifest.json"] = (
        f'{{\n "about": {about},\n "files": [\n  {lines}\n ]\n}}\n'.encode()
    )
    return contents
