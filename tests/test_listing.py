"""The files that a path, a pattern, a folder or a list stands for."""

from __future__ import annotations

from pathlib import Path

import pytest

from evstream import EvstreamError
from evstream.transport.listing import expand_sources, names_several


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    names = ["b.bin", "a.bin", "c.bin.gz", "d.bin.zst", ".hidden.bin", "a.bin.seal", "a.bin.evx"]
    (tmp_path / "inner").mkdir()
    (tmp_path / "folder.bin").mkdir()
    for name in [*names, "e.csv", "inner/f.bin", "a[1].bin"]:
        (tmp_path / name).touch()
    return tmp_path


def names(sources, folder: Path) -> list[str]:
    return [str(Path(path).relative_to(folder)) for path in expand_sources(sources)]


def test_a_folder_stands_for_its_streams(folder: Path):
    assert names(folder, folder) == ["a.bin", "a[1].bin", "b.bin", "c.bin.gz", "d.bin.zst"]
    assert names(f"{folder}/inner/", folder) == ["inner/f.bin"]


def test_a_pattern_stands_for_its_matches(folder: Path):
    assert names(f"{folder}/*.bin", folder) == ["a.bin", "a[1].bin", "b.bin"]
    assert names(folder / "[bc].bin*", folder) == ["b.bin", "c.bin.gz"]
    assert names(f"{folder}/**/f.bin", folder) == ["inner/f.bin"]


def test_a_file_named_like_a_pattern_is_that_file(folder: Path):
    assert names(folder / "a[1].bin", folder) == ["a[1].bin"]


def test_a_list_keeps_its_order(folder: Path):
    sources = [folder / "b.bin", f"{folder}/a.*n", f"{folder}/inner"]
    assert names(sources, folder) == ["b.bin", "a.bin", "inner/f.bin"]
    assert names(tuple(sources), folder) == names(sources, folder)


def test_a_pattern_without_matches_is_an_error(folder: Path):
    for pattern in [f"{folder}/x*.bin", f"{folder}/inn*"]:
        with pytest.raises(FileNotFoundError, match="No file matches the pattern") as caught:
            expand_sources(pattern)
        assert caught.value.filename == pattern


def test_a_missing_file_is_named(folder: Path):
    with pytest.raises(FileNotFoundError) as caught:
        expand_sources([folder / "a.bin", folder / "z.bin"])
    assert caught.value.filename == str(folder / "z.bin")


def test_a_folder_without_streams_is_an_error(folder: Path):
    with pytest.raises(EvstreamError, match=r"folder\.bin: the folder has no streams, expected"):
        expand_sources(folder / "folder.bin")


def test_a_file_named_twice_is_an_error(folder: Path):
    with pytest.raises(EvstreamError, match=r"b\.bin: the file is named twice"):
        expand_sources([folder / "b.bin", f"{folder}/inner/../*.bin"])


def test_an_empty_list_is_an_error():
    with pytest.raises(EvstreamError, match="no file in the list"):
        expand_sources([])


@pytest.mark.parametrize("source", [3, None, b"a.bin", object()])
def test_what_names_no_file_is_refused(source):
    with pytest.raises(TypeError, match="is not a path, pattern, folder or URL"):
        expand_sources(source)


def test_several_files_are_told_from_one(folder: Path):
    assert names_several([folder / "a.bin"])
    assert names_several(f"{folder}/*.bin")
    assert names_several(folder)
    assert names_several("s3://bucket/*.bin")
    assert names_several("s3://bucket/out/")
    for one in [folder / "a.bin", folder / "a[1].bin", "-", 0, "https://host/a.bin?key=[1]"]:
        assert not names_several(one)
