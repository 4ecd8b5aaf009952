"""A run folder as a whole: its table, its report, and the rules between its files."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import evstream
from evstream._support.known_formats import formats_beside
from evstream.checking.references import Values
from evstream.cli.program import main

FILES: dict[str, tuple[str, list[tuple[float, ...]]]] = {
    "input/items.bin": ("<iIIiI", [(1, 1, 9, 7, 1), (2, 1, 9, 7, 2), (3, 2, 9, 8, 3)]),
    "input/coverages.bin": ("<f", [(100.0,), (200.0,)]),
    "input/correlations.bin": ("<iifif", [(n, 1, 0.5, 1, 0.5) for n in (1, 2, 3)]),
    "input/gulsummaryxref.bin": ("<iii", [(1, 1, 1), (2, 1, 1), (3, 2, 1)]),
    "input/fm_programme.bin": ("<iii", [(1, 1, 1), (2, 1, 1), (3, 1, 2), (1, 2, 1), (2, 2, 1)]),
    "input/fm_policytc.bin": ("<iiii", [(1, 1, 1, 1), (1, 2, 1, 1), (2, 1, 1, 4)]),
    "input/fm_profile.bin": ("<iiffffffff", [(n, 1, *[0.0] * 8) for n in (1, 4)]),
    "input/fm_xref.bin": ("<iii", [(1, 1, 1), (2, 2, 1), (3, 3, 1)]),
    "input/fmsummaryxref.bin": ("<iii", [(1, 1, 1), (2, 1, 1), (3, 1, 1)]),
    "input/events.bin": ("<i", [(1,), (2,), (5,)]),
    "input/occurrence.bin": ("<iii", [(1, 1, 9), (2, 2, 9), (5, 1, 9)]),
    "input/periods.bin": ("<id", [(1, 0.5), (2, 0.5)]),
    "static/damage_bin_dict.bin": ("<ifffi", [(1, 0, 0, 0, 0), (2, 0, 1, 0.5, 0)]),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small run folder that breaks no rule."""
    for name, (letters, rows) in FILES.items():
        write(tmp_path, name, letters, rows)
    (tmp_path / "work").mkdir()
    write_losses(tmp_path, 1, 5)
    (tmp_path / "input/keys.csv").write_text("LocID,PerilID\n1,WTC\n")
    return tmp_path


def write(folder: Path, name: str, letters: str, rows: list[tuple[float, ...]]) -> None:
    path = folder / name
    path.parent.mkdir(exist_ok=True, parents=True)
    start = struct.pack("<ii", 1, 9) if path.name == "occurrence.bin" else b""
    path.write_bytes(start + b"".join(struct.pack(letters, *row) for row in rows))


def write_losses(folder: Path, *events: int) -> None:
    special = {
        name: [1.0, 1.0] for name in ("max_loss", "chance_of_loss", "tiv", "std_dev", "mean")
    }
    with evstream.create(folder / "work/gul.bin", "loss", len_sample=2) as out:
        for event in events:
            out.write_event(event, [1, 3], [[1.0, 2.0], [0.0, 4.0]], **special)


def changed(folder: Path, name: str, record: int, field: int, value: float) -> None:
    letters, rows = FILES[name]
    new = [list(row) for row in rows]
    new[record - 1][field] = value
    write(folder, name, letters, [tuple(row) for row in new])


def test_a_good_folder_is_clean(folder: Path) -> None:
    report = evstream.validate(folder)
    assert report.clean, report.findings
    assert report.source == str(folder)
    assert len(report.reports) == len(FILES) + 1
    assert report.unknown == {"input/keys.csv": "not known"}
    assert report.unchecked == [
        "input/fm_policytc.bin: policy-step-profile-exists: no file of type fm_profile_step",
        "input/items.bin: item-has-vulnerability: no file of type vulnerability",
    ]


@pytest.mark.parametrize(
    ("rule", "name", "record", "field", "value"),
    [
        ("item-has-coverage", "input/items.bin", 3, 1, 3),
        ("item-has-summary", "input/items.bin", 3, 0, 4),
        ("correlated-item-exists", "input/correlations.bin", 2, 0, 77),
        ("summary-item-exists", "input/gulsummaryxref.bin", 3, 0, 9),
        ("summary-output-exists", "input/fmsummaryxref.bin", 3, 0, 9),
        ("output-has-summary", "input/fm_xref.bin", 3, 0, 4),
        ("output-aggregation-exists", "input/fm_xref.bin", 2, 1, 9),
        ("policy-level-exists", "input/fm_policytc.bin", 3, 0, 3),
        ("policy-aggregation-exists", "input/fm_policytc.bin", 3, 1, 3),
        ("policy-profile-exists", "input/fm_policytc.bin", 2, 3, 2),
        ("occurring-event-is-run", "input/occurrence.bin", 2, 0, 4),
        ("occurring-period-has-weight", "input/occurrence.bin", 3, 1, 3),
        ("event-occurs", "input/events.bin", 2, 0, 3),
    ],
)
def test_what_is_referred_to_exists(
    folder: Path, rule: str, name: str, record: int, field: int, value: int
) -> None:
    changed(folder, name, record, field, value)
    report = evstream.validate(folder)
    assert report.counts[rule] == 1
    [finding] = [f for f in report.findings if f.rule == rule]
    letters, _ = FILES[name]
    assert finding.file == str(folder / name)
    start = 8 if name.endswith("occurrence.bin") else 0
    assert finding.offset == start + (record - 1) * struct.calcsize(letters)
    assert (finding.record, finding.value) == (record, value)
    assert finding.expected.startswith("one of the ")
    assert finding.text.startswith(f"{folder / name}: byte {finding.offset}, record {record}, ")


def test_every_reference_names_fields_that_exist() -> None:
    formats = {known.name: known for known in formats_beside(None)}
    for known in formats.values():
        for rule in known.rules.values():
            for format_name, stream, field in rule.to:
                target = formats[format_name]
                block = target.blocks[target.stream(stream).block]
                names = [f.name for f in target.fields[block.header]]
                assert field in [*names, *([block.row.name] if block.row else [])], rule.id


def test_items_have_a_vulnerability_function(folder: Path) -> None:
    """Of the model, of an aggregate or of another risk; without a file of them nothing is said."""
    functions = ("<iiif", [(7, 1, 1, 1.0)])
    write(folder, "static/vulnerability.bin", *functions)
    with (folder / "static/vulnerability.bin").open("r+b") as file:
        data = file.read()
        file.seek(0)
        file.write(struct.pack("<i", 1) + data)
    found = evstream.validate(folder)
    assert found.counts == {"item-has-vulnerability": 1}
    place = found.findings[0]
    assert (place.offset, place.record, place.value) == (40, 3, 8)
    assert place.expected == "one of the 1 vulnerability_id of static/vulnerability.bin (7 to 7)"
    write(folder, "static/aggregate_vulnerability.bin", "<ii", [(8, 7), (8, 9)])
    found = evstream.validate(folder)
    assert found.counts == {"aggregated-vulnerability-exists": 1}
    assert (found.findings[0].severity, found.findings[0].offset) == ("warning", 8)


def test_a_missing_index_file_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder / "static/footprint.bin"
    path.write_bytes(struct.pack("<ii", 3, 1))
    assert main(["validate", str(folder)]) == 2
    told = capsys.readouterr()
    line = f"{path.with_suffix('.idx')}: No such file or directory"
    assert told.err.strip() == f"evstream: {line}"
    assert f"not readable: {path}: {line}" in told.out


def test_events_of_streams_are_those_that_were_run(folder: Path) -> None:
    write_losses(folder, 1, 3)
    report = evstream.validate(folder)
    assert report.counts == {"event-is-run": 1}
    assert report.findings[0].ids == {"event_id": 3, "item_id": 1}
    assert report.findings[0].expected == "one of the 3 event_id of input/events.bin (1 to 5)"


def test_the_nearest_file_is_the_one_referred_to(folder: Path) -> None:
    """A folder of reinsurance has terms of its own, and takes what it lacks from above."""
    for name in ("fm_programme.bin", "fm_policytc.bin", "fm_profile.bin", "fm_xref.bin"):
        letters, rows = FILES[f"input/{name}"]
        write(folder, f"input/RI_1/{name}", letters, rows)
    write(folder, "input/RI_1/fm_profile.bin", "<iiffffffff", [(1, 1, *[0.0] * 8)])
    report = evstream.validate(folder)
    assert report.counts == {"policy-profile-exists": 1}
    assert report.findings[0].file == str(folder / "input/RI_1/fm_policytc.bin")
    assert "of input/RI_1/fm_profile.bin" in report.findings[0].expected


def test_terms_with_steps_are_those_that_count(folder: Path) -> None:
    letters = "<iiffffffffifffffff"
    write(folder, "input/fm_profile_step.bin", letters, [(1, 1, *[0.0] * 8, 1, *[0.0] * 7)])
    assert evstream.validate(folder).counts == {"policy-step-profile-exists": 1}


@pytest.mark.parametrize(
    ("rule", "name", "letters", "rows"),
    [
        ("item-once", "items.bin", "<iIIiI", [(2, 1, 1, 1, 1), (1, 1, 1, 1, 1), (2, 1, 1, 1, 1)]),
        ("period-once", "periods.bin", "<id", [(2, 0.5), (1, 0.5), (2, 0.5)]),
        ("return-periods-descending", "returnperiods.bin", "<i", [(9,), (5,), (5,)]),
        ("amplified-items-consecutive", "amplifications.bin", "<ii", [(1, 1), (3, 1)]),
        ("bin-has-interpolation", "damagebin.bin", "<ifffi", [(1, 0, 0.5, 0.75, 0)]),
        ("bin-has-interpolation", "damagebin.bin", "<ifffi", [(1, 0.5, 1, 0.25, 0)]),
        ("output-once", "fm_xref.bin", "<iii", [(2, 1, 1), (1, 1, 1), (2, 1, 1)]),
        ("profile-once", "fm_profile.bin", "<iiffffffff", [(n, 1, *[0.0] * 8) for n in (1, 1)]),
    ],
)
def test_rules_of_single_files(
    rule: str, name: str, letters: str, rows: list[tuple[float, ...]], tmp_path: Path
) -> None:
    write(tmp_path, name, letters, rows)
    if name == "amplifications.bin":
        (tmp_path / name).write_bytes(bytes(4) + (tmp_path / name).read_bytes())
    report = evstream.validate(tmp_path / name)
    assert report.counts == {rule: 1}
    assert report.findings[0].record == len(rows)


def test_repeated_ids_are_found_over_the_chunks_of_a_file(tmp_path: Path) -> None:
    rows = np.zeros(300_000, [("item_id", "<i4"), ("rest", "<u4", 4)])
    rows["item_id"] = np.arange(1, len(rows) + 1)
    rows["rest"][:, 2] = 1
    rows["item_id"][-1] = 5
    rows.tofile(tmp_path / "items.bin")
    report = evstream.validate(tmp_path / "items.bin")
    assert report.counts == {"item-once": 1}
    assert report.findings[0].record == len(rows)


def test_a_file_that_cannot_be_read_spoils_no_other(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "input/coverages.bin").write_bytes(bytes([1, 0, 0, 2, 0, 0, 0, 0]))
    report = evstream.validate(folder)
    assert not report.clean
    [broken] = [one for one in report.reports if one.error is not None]
    assert broken.source.endswith("coverages.bin")
    assert "begins as a loss stream" in str(broken.error)
    reason = "input/coverages.bin cannot be read to its end"
    assert f"input/items.bin: item-has-coverage: {reason}" in report.unchecked
    for command in ("validate", "info"):
        assert main([command, str(folder)]) == 2
        assert "begins as a loss stream" in capsys.readouterr().err


def test_a_cut_file_is_reported_with_the_others(folder: Path) -> None:
    path = folder / "input/items.bin"
    path.write_bytes(path.read_bytes()[:-3])
    report = evstream.validate(folder)
    assert report.counts["file-whole"] == 1
    assert main(["info", str(folder)]) == 2
    assert main(["validate", str(folder)]) == 1


def test_expected_events_are_looked_for_in_the_streams(folder: Path) -> None:
    report = evstream.validate(folder, expect_events=[1, 2])
    assert report.counts == {"event-expected": 1}
    (folder / "work/gul.bin").unlink()
    with pytest.raises(evstream.EvstreamError, match="no file of the folder has events"):
        evstream.validate(folder, expect_events=[1, 2])


def test_info_is_a_table_of_all_files(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "input/items.bin").write_bytes((folder / "input/items.bin").read_bytes() * 2)
    assert main(["info", str(folder)]) == 0
    lines = {line.split()[0]: line.split() for line in capsys.readouterr().out.splitlines()}
    assert " ".join(lines["input/items.bin"]) == (
        "input/items.bin items 6 120 item_id 1 to 3 3 x item-once"
    )
    assert " ".join(lines["work/gul.bin"]) == (
        "work/gul.bin loss 26 in 4 blocks 280 event_id 1 to 5, item_id 1 to 3"
    )
    assert " ".join(lines["not"]) == "not known: input/keys.csv"


def test_the_report_of_a_folder_is_one_object_of_json(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changed(folder, "input/items.bin", 3, 1, 3)
    for command, status in (("info", 0), ("validate", 1)):
        assert main([command, "--json", str(folder)]) == status
        facts: dict[str, Any] = json.loads(capsys.readouterr().out)
        assert facts["file"] == str(folder)
        assert facts["counts"] == {"item-has-coverage": 1}
        assert facts["findings"][0]["record"] == 3
        assert facts["findings"][0]["file"] == str(folder / "input/items.bin")
        assert facts["unknown"] == {"input/keys.csv": "not known"}
        [items] = [one for one in facts["files"] if one["file"].endswith("items.bin")]
        assert items["stream"] == "items"
        assert items["keys"]["coverage_id"] == [1, 3]


def test_seals_and_indexes_are_not_unknown_files(folder: Path) -> None:
    evstream.build_index(folder / "work/gul.bin")
    assert main(["seal", str(folder / "work/gul.bin")]) == 0
    report = evstream.validate(folder)
    assert report.clean
    assert report.unknown["work/gul.bin.evx"] == "index"
    assert report.unknown["work/gul.bin.seal"] == "seal"


def test_a_small_number_is_not_a_type_word(tmp_path: Path) -> None:
    """Other files may begin with the number 1, as a cdf stream does."""
    write(tmp_path, "items.bin", "<iIIiI", [(1, 1, 1, 1, 1)])
    write(tmp_path, "model.bin", "<iiiii", [(1, 3, 7, 0, 2)])
    with evstream.create(tmp_path / "cdf.bin", "cdf") as out:
        out.write_columns([3, 3], [4, 4], [1, 1], [1, 2], [0.5, 1.0], [0.1, 0.2])
    report = evstream.validate(tmp_path)
    assert report.unknown == {"model.bin": "not known"}
    assert [one.stream for one in report.reports] == ["cdf", "items"]


def test_a_folder_of_streams_of_one_type_stays_a_dataset(tmp_path: Path) -> None:
    for name in ("a.bin", "b.bin"):
        with evstream.create(tmp_path / name, "loss", len_sample=1) as out:
            out.write_event(1, [1], [[5.0]], mean=[5.0])
    report = evstream.validate(tmp_path)
    assert (report.source, report.stream) == ("2 files", "loss")


@pytest.mark.parametrize("known", [[], [4], [2, 3, 4], [1, 3, 9]])
def test_values_that_are_lacking(known: list[int]) -> None:
    wanted = np.arange(-1, 12)
    expected = [value not in known for value in wanted.tolist()]
    assert Values(np.array(known, np.int32)).lacks(wanted).tolist() == expected
