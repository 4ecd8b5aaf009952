"""Streams as dataframes of Dask: the rows of the stream, whatever happens to a worker."""

from __future__ import annotations

import importlib
import io
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dask
import numpy as np
import pandas as pd
import pytest
from distributed import Client, LocalCluster

import evstream
from evstream import CorruptStreamError, MissingExtraError

pytestmark = pytest.mark.keeps_files_open  # a cluster keeps its connections

SIZE = 7_000


@pytest.fixture(scope="module")
def cluster() -> Iterator[Client]:
    """Two workers, a process each."""
    dask.config.set({"distributed.comm.timeouts.connect": "300s"})
    with (
        LocalCluster(2, threads_per_worker=1, dashboard_address=":0", host="127.0.0.1") as cluster,
        Client(cluster, timeout=300) as client,
    ):
        yield client


def compute(frame):
    return frame.compute(scheduler="sync")


def test_a_frame_has_the_rows_of_the_stream(gul: Path):
    expected = pd.DataFrame(evstream.read_columns(gul))
    for whole in ("block", "event"):
        frame = evstream.dask.read(evstream.parts(gul, SIZE, whole=whole))
        assert frame.npartitions > 3
        assert dict(frame.dtypes) == dict(expected.dtypes)
        pd.testing.assert_frame_equal(compute(frame).reset_index(drop=True), expected)
        assert len(frame) == len(expected)


def test_only_the_columns_that_are_used_are_read(gul: Path, monkeypatch: pytest.MonkeyPatch):
    from evstream.engines import dask as module

    read = []

    def columns_of(part, names, *wanted):
        read.append(tuple(names))
        return original(part, names, *wanted)

    original = module.columns_of
    monkeypatch.setattr(module, "columns_of", columns_of)
    frame = evstream.dask.read(gul, size=SIZE)
    total = compute(frame.loss.sum())
    assert set(read) == {("loss",)}
    assert total == pytest.approx(evstream.read_columns(gul)["loss"].sum(dtype=float), rel=1e-5)


@pytest.mark.parametrize("by_event", [False, True])
def test_a_frame_of_no_columns_has_the_rows(gul: Path, by_event: bool):
    frame = evstream.dask.read(gul, columns=[], by_event=by_event, size=SIZE)
    assert compute(frame).shape == (len(evstream.read_columns(gul)["loss"]), 0)
    assert len(frame.columns) == 0


def test_events_and_sidx_are_arguments(gul: Path):
    expected = pd.DataFrame(evstream.read_columns(gul, [3, 7], range(1, 4)))[["loss", "sidx"]]
    for parts in (gul, evstream.parts(gul, SIZE)):
        frame = evstream.dask.read(parts, ["loss", "sidx"], [3, 7], range(1, 4), size=SIZE)
        pd.testing.assert_frame_equal(compute(frame).reset_index(drop=True), expected)


def test_divisions_are_known_where_ids_ascend(gul: Path):
    frame = evstream.dask.read(gul, by_event=True, size=SIZE)
    assert frame.known_divisions
    assert frame.divisions[0] == 1
    expected = pd.DataFrame(evstream.read_columns(gul)).set_index("event_id")
    pd.testing.assert_frame_equal(compute(frame), expected)
    pd.testing.assert_frame_equal(compute(frame.loc[17:19]), expected.loc[17:19])
    with pytest.raises(ValueError, match="whole='event'"):
        evstream.dask.read(evstream.parts(gul, SIZE), by_event=True)


def write(path: Path, events: list[int]) -> Path:
    with evstream.create(path, "loss", len_sample=2, validate=False) as out:
        for event in events:
            out.write_columns([event] * 200, np.arange(1, 201), [1] * 200, [1.5] * 200)
    return path


def test_divisions_are_unknown_where_ids_do_not_ascend(tmp_path: Path):
    path = write(tmp_path / "gul.bin", [5, 4, 3, 2, 1])
    frame = evstream.dask.read(path, by_event=True, size=3000)
    assert not frame.known_divisions
    assert list(dict.fromkeys(compute(frame).index)) == [5, 4, 3, 2, 1]


def test_divisions_that_are_not_true_are_an_error(tmp_path: Path):
    path = write(tmp_path / "gul.bin", [1, 3, 2, 4])
    frame = evstream.dask.read(evstream.parts(path, 7000, whole="event"), by_event=True)
    assert frame.known_divisions  # by the first event of each part, 1 and 4
    with pytest.raises(CorruptStreamError, match="event_id 3: the event ids do not ascend"):
        compute(frame)


def test_a_part_without_events_is_not_a_partition(tmp_path: Path):
    path = write(tmp_path / "gul.bin", [1, 2, 3])
    frame = evstream.dask.read(path, by_event=True, size=1500)
    assert len(evstream.parts(path, 1500, whole="event")) > frame.npartitions == 3
    assert frame.divisions[:3] == (1, 2, 3)


def test_an_unknown_column_is_named(gul: Path):
    with pytest.raises(ValueError, match="no column 'los', expected one of event_id, item_id"):
        evstream.dask.read(gul, ["los"])
    with pytest.raises(TypeError, match="parts and other things"):
        evstream.dask.read([*evstream.parts(gul), gul])


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("by_event", np.zeros(2), r"by_event is array.*, expected True or False"),
        ("sidx", Path("x"), r"sidx is .*, expected"),
        ("sidx", [1.5], r"sidx is .*, expected"),
        ("events", "a", r"events is 'a', expected"),
    ],
)
def test_arguments_of_dask_that_are_not_legal_are_named(
    gul: Path, name: str, value: Any, expected: str
):
    with pytest.raises((TypeError, ValueError), match=expected):
        evstream.dask.read(gul, **{name: value})
    with pytest.raises(TypeError, match="function is 5, expected a function"):
        evstream.dask.map_parts(5, gul)


@pytest.mark.parametrize("name", ["dask", "spark"])
def test_an_engine_is_imported_by_its_public_name(name: str):
    assert importlib.import_module(f"evstream.{name}") is getattr(evstream, name)
    assert getattr(evstream, name).__name__ == f"evstream.engines.{name}"


def test_dask_is_named_where_it_is_missing(gul: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(__import__("sys").modules, "dask.dataframe", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'evstream\[dask\]'"):
        evstream.dask.read(gul)


def sum_or_die(part: evstream.Part, marks: str) -> tuple[int, float]:
    """The rows and losses of a part; the first worker that has the third part is killed."""
    mark = f"{marks}/killed"
    if part.start == 2 * SIZE and not os.path.exists(mark):
        open(mark, "x").close()
        os.kill(os.getpid(), signal.SIGKILL)
    losses = evstream.read_columns(part)["loss"]
    return len(losses), float(losses.sum(dtype=float))


@pytest.mark.engines
def test_a_killed_worker_changes_nothing(cluster: Client, gul: Path, tmp_path: Path):
    parts = evstream.parts(gul, SIZE)
    tasks = evstream.dask.map_parts(lambda part: sum_or_die(part, str(tmp_path)), parts)
    results = cluster.gather(cluster.compute(tasks))
    assert (tmp_path / "killed").exists()
    assert results == [sum_or_die(part, str(tmp_path)) for part in parts]


@pytest.mark.engines
def test_workers_read_their_parts(cluster: Client, gul: Path):
    expected = pd.DataFrame(evstream.read_columns(gul))
    frame = evstream.dask.read(gul, size=SIZE)
    pd.testing.assert_frame_equal(frame.compute().reset_index(drop=True), expected)
    means = frame.groupby("item_id").loss.mean().compute().sort_index()
    pd.testing.assert_series_equal(
        means, expected.groupby("item_id").loss.mean(), check_dtype=False, rtol=1e-5
    )


def test_pipes_are_one_part_of_this_process():
    out = io.BytesIO()
    with evstream.create(out, "loss", len_sample=2) as writer:
        writer.write_columns([1], [1], [1], [1.5])
    frame = evstream.dask.read(io.BytesIO(out.getvalue()))
    assert compute(frame).loss.tolist() == [1.5]
