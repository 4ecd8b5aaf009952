"""Blocks whose entries are the bytes of one value: complex_items, with MessagePack of a model."""

from __future__ import annotations

import struct
import sys
from pathlib import Path

import msgpack
import pytest

import evstream
from evstream.cli.program import main
from evstream.errors import MissingExtraError, RowsWarning, TableError, TruncatedStreamError

HEADER = "item_id,coverage_id,model_data,group_id\n"
ITEMS = [(1, 1, 7, b"\xa3abc"), (2, 2**32 - 1, 0, b"\xa0"), (5, 2, 3, b'\xa7a\n"b", ')]
TEXT = HEADER + '1,1,abc,7\n2,4294967295,,0\n5,2,"a\n""b"", ",3\n'


def packed(items: list[tuple[int, int, int, bytes]]) -> bytes:
    return b"".join(
        struct.pack("<iIII", item, coverage, group, len(data)) + data
        for item, coverage, group, data in items
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "complex_items.bin"


def test_an_event_has_the_bytes_of_an_item(path: Path) -> None:
    path.write_bytes(packed(ITEMS))
    with evstream.open(path) as stream:
        found = [
            (e.item_id, *e.coverage_ids.tolist(), *e.group_ids.tolist(), e.model_data.tobytes())
            for e in stream
        ]
    assert found == ITEMS
    assert list(evstream.validate(path).findings) == []


def test_csv_has_a_row_per_item_and_gives_the_bytes_back(path: Path, tmp_path: Path) -> None:
    path.write_bytes(packed(ITEMS))
    text, back = tmp_path / "a.csv", tmp_path / "back.bin"
    evstream.convert(path, text)
    assert text.read_text() == TEXT
    evstream.convert(text, back)
    assert back.read_bytes() == path.read_bytes()


def test_items_larger_than_a_batch_are_whole_in_csv(path: Path, tmp_path: Path) -> None:
    long = [(n, 1, 1, msgpack.packb("x" * 100_000)) for n in range(1, 5)]
    path.write_bytes(packed(long))
    text, back = tmp_path / "a.csv", tmp_path / "back.bin"
    evstream.convert(path, text)
    assert text.read_text().count("\n") == 5
    evstream.convert(text, back)
    assert back.read_bytes() == path.read_bytes()


def test_other_values_are_printed_as_python_does(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values = [{"a": 1, "b": [2.5, None]}, 12, None, True, "12"]
    path.write_bytes(packed([(n, 1, 1, msgpack.packb(v)) for n, v in enumerate(values, start=1)]))
    assert main(["cat", str(path)]) == 0
    printed = capsys.readouterr()
    lines = ["1,1,\"{'a': 1, 'b': [2.5, None]}\",1", "2,1,12,1", "3,1,,1", "4,1,True,1", "5,1,12,1"]
    assert printed.out == HEADER + "".join(f"{line}\n" for line in lines)
    assert "4 of 5 values of model_data are not text" in printed.err
    assert main(["cat", str(path), "--head", "2"]) == 0
    assert capsys.readouterr().out == HEADER + "".join(f"{line}\n" for line in lines[:2])
    assert main(["info", str(path)]) == 0
    assert "complex_items" in capsys.readouterr().out


def test_tables_with_a_row_per_byte_give_the_bytes_back(path: Path, tmp_path: Path) -> None:
    path.write_bytes(packed([(1, 1, 7, msgpack.packb({"a": 1})), (2, 1, 7, b"\x01")]))
    for table in (tmp_path / "a.parquet", tmp_path / "a.jsonl"):
        evstream.convert(path, table)
        evstream.convert(table, tmp_path / "back.bin", stream="complex_items")
        assert (tmp_path / "back.bin").read_bytes() == path.read_bytes()


@pytest.mark.parametrize("data", [b"\xa3ab", b"\xa1ab", b"\xc1", b"\xa1\xff", b"\x81\x90\x01"])
def test_bytes_that_are_not_one_value_are_refused_in_csv(data: bytes, path: Path) -> None:
    path.write_bytes(packed([(1, 1, 7, b"\xa0"), (2, 1, 7, data)]))
    with pytest.raises(TableError, match=r"complex_items.bin: .*item_id 2, coverage_id 1") as error:
        evstream.convert(path, path.with_name("a.csv"))
    assert "not one value of MessagePack" in str(error.value)
    assert not path.with_name("a.csv").exists()


def test_a_length_beyond_the_file_is_an_error_with_its_place(path: Path) -> None:
    data = packed(ITEMS)
    last = len(data) - len(packed(ITEMS[-1:]))
    cuts = {
        data[:-1]: len(data) - 1,
        data[: last + 9]: last,
        data[: last + 16]: last,
        data + struct.pack("<iIII", 6, 1, 1, 2**32 - 1) + b"\xa0": len(data) + 17,
    }
    for cut, offset in cuts.items():
        path.write_bytes(cut)
        with pytest.raises(TruncatedStreamError) as error:
            evstream.read_columns(path)
        assert error.value.offset == offset
        assert evstream.validate(path).errors == 1


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("1,1,a,7\n1,1,b,7\n", "line 3: item_id 1, coverage_id 1, group_id 7, as in the row"),
        ("1,1,a,7\n2,1,b,7\n1,1,b,7\n", "item_id 1"),
        ("0,1,a,7\n", "item_id 0"),
        ("1,1,a\n", "line 2: there are 3 values"),
        ("1,1,\"a\n\",7\nx,1,b,7\n", "line 4"),
        ("1,1,\"a,7\n", "line 2: not valid CSV"),
        ("1,1,\"a\"b,7\n", "line 2: not valid CSV"),
        ("1,1,\udcff,7\n", "line 2: not text"),
        ("1,-1,a,7\n", "line 2"),
    ],
)  # fmt: skip
def test_a_row_that_is_not_an_item_is_refused(lines: str, message: str, path: Path) -> None:
    text = path.with_name("a.csv")
    text.write_text(HEADER + lines, errors="surrogateescape")
    with pytest.raises(TableError) as error:
        evstream.convert(text, path)
    assert message in str(error.value)
    assert not path.exists()


def test_without_msgpack_the_extra_is_named(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "msgpack", None)
    path.write_bytes(packed(ITEMS))
    with pytest.raises(MissingExtraError, match=r"evstream\[msgpack\]"):
        evstream.convert(path, path.with_name("a.csv"))
    assert len(evstream.read_columns(path)["model_data"]) == 13


def test_values_that_are_not_text_are_a_warning(path: Path) -> None:
    path.write_bytes(packed([(1, 1, 7, b"\x01")]))
    with pytest.warns(RowsWarning, match="1 of 1 values of model_data are not text"):
        evstream.convert(path, path.with_name("a.csv"))
