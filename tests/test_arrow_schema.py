"""The schema of an Arrow table carries what rows do not say: header, widths, spec, delimiter."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pyarrow as pa
import pytest

import evstream
from evstream._generated import layout
from evstream.tables.arrow import FINAL_DELIMITER, METADATA, header_of
from frame_cases import write_back
from golden_files import (
    GOLDEN,
)
from oracle import DEFAULT_WIDTHS


def test_the_schema_carries_the_header_the_widths_and_the_spec() -> None:
    path = GOLDEN / "summary_i8_f8.bin"
    widths = {"oasis_int": "i8", "oasis_float": "f8"}
    table = evstream.read_arrow(path, widths=widths)
    facts = json.loads(table.schema.metadata[METADATA])
    with evstream.open(path, widths=widths) as stream:
        header = stream.header
    assert facts == {
        "stream": "summary",
        "header": dict(header.values),
        "widths": dict(header.widths),
        "spec": layout.DIGEST,
    }
    assert header_of(table.schema) == header
    assert FINAL_DELIMITER not in table.schema.metadata
    assert all(not field.nullable for field in table.schema)


def test_the_header_survives_parquet_and_the_arrow_file_format(gul: Path, tmp_path: Path) -> None:
    import pyarrow.feather
    import pyarrow.parquet

    table = evstream.read_arrow(gul)
    pyarrow.parquet.write_table(table, tmp_path / "gul.parquet")
    pyarrow.feather.write_feather(table, tmp_path / "gul.arrow")
    for read, name in (
        (pyarrow.parquet.read_table, "gul.parquet"),
        (pyarrow.feather.read_table, "gul.arrow"),
    ):
        assert write_back(read(tmp_path / name)) == gul.read_bytes()


def test_the_schema_carries_a_missing_final_delimiter() -> None:
    path = GOLDEN / "loss_no_final_delimiter.bin"
    table = evstream.read_arrow(path, widths=DEFAULT_WIDTHS)
    assert table.schema.metadata[FINAL_DELIMITER] == b"false"
    assert write_back(table) == path.read_bytes()


def test_given_header_fields_override_the_schema(gul: Path) -> None:
    table = evstream.read_arrow(gul)
    data = write_back(table, len_sample=20, widths={"oasis_float": "f8"})
    with evstream.open(io.BytesIO(data), widths={"oasis_float": "f8"}) as stream:
        assert stream.header.len_sample == 20
        assert sum(len(event) for event in stream) == 540


@pytest.mark.parametrize("facts", [
    b"{", b"[]", b"{}", b'{"stream": "loss", "header": [], "widths": {}}',
    b'{"stream": "loss", "header": {}, "widths": {}}',
    b'{"stream": "loss", "header": {"len_sample": -1}, "widths": {}}',
    b'{"stream": "none", "header": {}, "widths": {}}',
    b'{"stream": "cdf", "header": {}, "widths": {"oasis_int": "i2"}}',
])  # fmt: skip
def test_broken_metadata_is_refused(facts: bytes) -> None:
    table = pa.table({"event_id": [1]}).replace_schema_metadata({METADATA: facts})
    with pytest.raises(evstream.TableError, match="the evstream metadata is not valid"):
        write_back(table)
