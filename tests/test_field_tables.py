"""Tables of the field: summary CSV as the existing tools read it, their event loss tables, sums."""

from __future__ import annotations

import io
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import evstream
import oracle
from evstream.cli.program import main
from evstream.errors import TableError

pytest.importorskip("pyarrow")
pl = pytest.importorskip("polars")

from evstream.conversion.convert import convert  # noqa: E402
from evstream.tables import column_names  # noqa: E402
from evstream.tables.batches import join_rows  # noqa: E402

SUMMARIES = [
    ((1, 7, 1000.0), [(-1, 50.0), (1, 100.0), (2, 0.0), (3, 50.5)]),
    ((1, 9, 250.0), [(-1, 0.0), (1, 0.0)]),
    ((2, 7, 0.0), [(-1, 0.0), (1, 0.0)]),
    ((3, 8, 40.0), [(-1, 10.0), (1, 0.0), (2, 0.0), (3, 30.0)]),
]
FIELDS = HEADER = {"len_sample": 3, "summary_set_id": 1}


@pytest.fixture
def summary(tmp_path: Path) -> Path:
    path = tmp_path / "summary.bin"
    path.write_bytes(oracle.encode("summary", HEADER, SUMMARIES))
    return path


def summarycalctobin(text: str, len_sample: int) -> bytes:
    """A stream by the documented columns of the C++ tool, which it takes by position: event,
    exposure, summary, sidx, loss. It skips the first line, and its summary set is 1."""
    parts = [struct.pack("<Iii", 3 << 24 | 1, len_sample, 1)]
    last: tuple[int, int, float] | None = None
    for line in text.splitlines()[1:]:
        event, exposure, summary, sidx, loss = line.split(",")
        ids = int(event), int(summary), float(exposure)
        if ids != last:
            parts += [struct.pack("<if", 0, 0)] if last else []
            parts.append(struct.pack("<iif", *ids))
            last = ids
        parts.append(struct.pack("<if", int(sidx), float(loss)))
    return b"".join([*parts, struct.pack("<if", 0, 0)])


def written_csv(source: Path, how: str, capsys: Any) -> str:
    if how == "cat":
        assert main(["cat", str(source)]) == 0
        return str(capsys.readouterr().out)
    convert(source, out := io.BytesIO(), from_="bin", to="csv")
    return out.getvalue().decode()


@pytest.mark.parametrize("how", ["cat", "convert"])
def test_summary_csv_has_the_order_of_summarycalctobin(
    summary: Path, how: str, capsys: Any
) -> None:
    text = written_csv(summary, how, capsys)
    assert summarycalctobin(text, 3) == summary.read_bytes()


@pytest.mark.parametrize("how", ["cat", "convert"])
def test_summary_csv_has_the_names_of_csvtobin(summary: Path, how: str, capsys: Any) -> None:
    header = written_csv(summary, how, capsys).splitlines()[0].split(",")
    # `csvtobin summarycalc` of oasislmf 2.5.8 reads these by name, in any order.
    assert sorted(header) == ["EventId", "ImpactedExposure", "Loss", "SampleId", "SummaryId"]


@pytest.mark.parametrize("names", ["theirs", "ours"])
def test_summary_csv_reads_back_by_either_names(
    summary: Path, tmp_path: Path, names: str, capsys: Any
) -> None:
    text = written_csv(summary, "cat", capsys)
    if names == "ours":
        text = text.replace(text.splitlines()[0], "event_id,exposure_value,summary_id,sidx,loss")
    (tmp_path / "summary.csv").write_text(text)
    convert(tmp_path / "summary.csv", tmp_path / "again.bin", **FIELDS)
    assert (tmp_path / "again.bin").read_bytes() == summary.read_bytes()


def test_json_lines_keep_wire_order(summary: Path, capsys: Any) -> None:
    assert main(["cat", "--format", "jsonl", str(summary)]) == 0
    first = json.loads(capsys.readouterr().out.splitlines()[0])
    assert list(first) == ["event_id", "summary_id", "exposure_value", "sidx", "loss"]


def selt(exposures: bool = False) -> Any:
    """The SELT of SUMMARIES as the reference writes it: no exposure where the loss is 0."""
    rows = [
        {"EventId": event, "SummaryId": summary, "SampleId": sidx, "Loss": loss,
         "ImpactedExposure": exposure if loss or exposures else 0.0}
        for (event, summary, exposure), pairs in SUMMARIES for sidx, loss in pairs
    ]  # fmt: skip
    return pl.DataFrame(rows)


def expected_of_selt() -> bytes:
    """A block without any loss has no exposure in a SELT, so it is 0 in the stream."""
    blocks = [
        ((event, summary, exposure if any(loss for _, loss in pairs) else 0.0), pairs)
        for (event, summary, exposure), pairs in SUMMARIES
    ]
    return oracle.encode("summary", HEADER, blocks)


def write_table(table: Any, path: Path) -> None:
    writers = {
        ".csv": table.write_csv, ".parquet": table.write_parquet, ".jsonl": table.write_ndjson,
        ".arrow": table.write_ipc,
    }  # fmt: skip
    writers[path.suffix](path)


@pytest.mark.parametrize("suffix", ["csv", "parquet", "arrow", "jsonl"])
def test_a_selt_has_the_exposure_of_its_blocks(tmp_path: Path, suffix: str) -> None:
    source = tmp_path / f"selt.{suffix}"
    write_table(selt(), source)
    convert(source, tmp_path / "out.bin", **FIELDS)
    assert (tmp_path / "out.bin").read_bytes() == expected_of_selt()


def test_write_arrow_takes_a_selt(tmp_path: Path) -> None:
    evstream.write_arrow(selt(), tmp_path / "out.bin", "summary", **FIELDS)
    assert (tmp_path / "out.bin").read_bytes() == expected_of_selt()


def test_an_unsorted_selt_is_sorted_first(tmp_path: Path) -> None:
    write_table(selt().sample(fraction=1, shuffle=True, seed=3), tmp_path / "selt.csv")
    convert(tmp_path / "selt.csv", tmp_path / "out.bin", sort=True, **FIELDS)
    assert (tmp_path / "out.bin").read_bytes() == expected_of_selt()


def test_an_exposure_of_another_name_has_no_gaps(tmp_path: Path) -> None:
    table = selt().rename({"ImpactedExposure": "exposure_value"})
    write_table(table, tmp_path / "table.csv")
    with pytest.raises(TableError, match=r"exposure_value is 0\.0, expected the same in all rows"):
        convert(tmp_path / "table.csv", tmp_path / "out.bin", **FIELDS)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 100])
def test_gaps_are_filled_across_batches(size: int) -> None:
    header = evstream.StreamHeader("summary", HEADER)
    rows = evstream.read_columns(io.BytesIO(expected_of_selt()))
    gaps = dict(rows, exposure_value=np.where(rows["loss"] == 0, 0, rows["exposure_value"]))
    batches = [
        {name: column[at : at + size] for name, column in gaps.items()}
        for at in range(0, len(rows["loss"]), size)
    ]
    filled = join_rows(list(column_names.fill_gaps(batches, header)))
    for name, column in rows.items():
        assert filled[name].tolist() == column.tolist(), name


def test_a_block_of_gaps_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(column_names, "HELD_ROWS", 10)
    header = evstream.StreamHeader("summary", HEADER)
    one = {name: np.zeros(4, "i4") for name in ("event_id", "summary_id", "sidx")}
    batch = one | {name: np.zeros(4, "f4") for name in ("exposure_value", "loss")}
    with pytest.raises(TableError, match="more than 10 rows of one block"):
        list(column_names.fill_gaps([batch] * 4, header))


def test_info_adds_up_in_64_bits(tmp_path: Path, capsys: Any) -> None:
    """In 32 bits, 2**24 + 1 is 2**24."""
    path = tmp_path / "loss.bin"
    pairs = [(1, 2.0**24), *((sidx, 1.0) for sidx in range(2, 12))]
    path.write_bytes(oracle.encode("loss", {"len_sample": 11}, [((1, 1), pairs)]))
    assert main(["info", "--json", str(path)]) == 0
    assert json.loads(capsys.readouterr().out)["losses"]["samples"]["sum"] == 2**24 + 10
