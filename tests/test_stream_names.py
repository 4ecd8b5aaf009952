"""What users call the streams: the aliases of the spec, wherever a type is named."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

import evstream
from evstream import StreamMismatchError
from evstream._generated import layout
from evstream._support.format import bound_format
from evstream.cli.program import main
from golden_files import GOLDEN

ALIASES = {
    "gul": "loss", "fm": "loss", "il": "loss", "ri": "loss", "summarycalc": "summary",
    "events": "event_ids", "eve": "event_ids",
}  # fmt: skip


SOURCES = {
    "loss": GOLDEN / "loss_i4_f4.bin", "summary": GOLDEN / "summary_i4_f4.bin",
    "event_ids": GOLDEN / "event_ids_i4.bin",
}  # fmt: skip


def test_the_spec_has_the_names_that_users_type() -> None:
    found = {alias: s.name for s in layout.STREAMS.values() for alias in s.aliases}
    assert found == ALIASES


@pytest.mark.parametrize("alias", ALIASES)
def test_an_alias_means_its_stream_everywhere(alias: str, tmp_path: Path) -> None:
    name = ALIASES[alias]
    path = SOURCES[name]
    assert bound_format().stream(alias).name == name
    with evstream.open(path, alias) as stream:
        assert stream.header.stream == name
        header = stream.header
    columns = evstream.read_columns(path, stream=alias)
    assert list(columns) == list(evstream.read_columns(path, stream=name))
    assert evstream.validate(path, stream=alias).stream == name
    written = io.BytesIO()
    with evstream.create(written, alias, **header.values) as out:
        assert out.header == header
    if header.block.entry is not None:
        assert evstream.reader_class(alias).header.stream == name
    assert main(["info", "--stream", alias, str(path)]) == 0


@pytest.mark.parametrize("alias", ALIASES)
@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet", "arrow"])
def test_a_table_is_converted_under_an_alias(alias: str, kind: str, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    source = SOURCES[ALIASES[alias]]
    with evstream.open(source, alias) as stream:
        values = dict(stream.header.values)
    table = tmp_path / f"a.{kind}"
    evstream.convert(source, table, stream=alias)
    evstream.convert(table, tmp_path / "b.bin", stream=alias, **values)
    assert (tmp_path / "b.bin").read_bytes() == source.read_bytes()


def test_an_error_names_the_stream_and_not_its_alias() -> None:
    with pytest.raises(StreamMismatchError, match="this is a gul_item stream, expected a loss"):
        evstream.open(GOLDEN / "gul_item_i4_f4.bin", "gul")
    with pytest.raises(TypeError, match="a loss stream needs len_sample"):
        evstream.create(io.BytesIO(), "gul")
    with pytest.raises(ValueError, match="no stream type 'gull', expected cdf, gul_item"):
        evstream.open(GOLDEN / "loss_i4_f4.bin", "gull")
