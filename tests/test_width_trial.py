"""A stream that is read at other widths than its writer's is refused, with the right ones."""

from __future__ import annotations

import io
import os
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import evstream
from evstream.cli.program import main
from evstream.errors import CorruptStreamError, EvstreamError, WidthWarning
from evstream.reading.width_trial import FIRST
from support import Trickle

TRIALS = int(os.environ.get("EVSTREAM_WIDTH_TRIALS", "48"))

SWAPS = [
    ({name: written}, {name: read})
    for name, widths in (("oasis_float", ("f8", "f4")), ("oasis_int", ("i8", "i4")))
    for written, read in (widths, widths[::-1])
]
"""(widths written, widths read)."""

STREAMS = ["loss", "gul_item", "summary", "cdf"]


def stream_of(stream: str, widths: dict[str, str], seed: int, events: int = 3) -> bytes:
    """A small stream; losses are whole numbers for every other seed, as test data often are."""
    chance = np.random.default_rng(seed)
    target = io.BytesIO()
    samples = int(chance.integers(1, 12))
    header = {} if stream == "cdf" else {"len_sample": samples}
    header |= {"summary_set_id": 1} if stream == "summary" else {}
    with evstream.create(target, stream, widths=widths, **header) as out:
        for event in range(1, events + 1):
            ids = np.sort(chance.choice(np.arange(1, 1000), int(chance.integers(1, 6)), False))
            if stream == "cdf":
                bins = np.linspace(0.1, 1, samples)
                for areaperil in ids.tolist():
                    out.write_columns(
                        event_id=np.full(samples, event), areaperil_id=np.full(samples, areaperil),
                        vulnerability_id=np.full(samples, 7),
                        bin_index=np.arange(1, samples + 1), prob_to=bins, bin_mean=bins / 2,
                    )  # fmt: skip
                continue
            losses = chance.gamma(1, 1000, (len(ids), samples)) * (chance.random(samples) < 0.8)
            losses = np.round(losses) if seed % 2 else losses
            more = {"exposure_values": np.full(len(ids), 2000.0)} if stream == "summary" else {}
            out.write_event(event, ids, losses, mean=losses.mean(axis=1), tiv=2000.0, **more)
    return target.getvalue()


def trials() -> Iterator[tuple[str, dict[str, str], dict[str, str], bytes]]:
    for number in range(TRIALS):
        written, read = SWAPS[number % len(SWAPS)]
        stream = STREAMS[number // len(SWAPS) % len(STREAMS)]
        yield stream, written, read, stream_of(stream, written, number // len(SWAPS))


def outcome(data: bytes, widths: dict[str, str], right: dict[str, str]) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            for _ in evstream.open(io.BytesIO(data), widths=widths):
                pass
        except CorruptStreamError as error:
            names = ", ".join(f"{name}={width}" for name, width in right.items())
            return "named" if error.expected.startswith(f"{names}, ") else "error"
        except EvstreamError:
            return "error"
        except WidthWarning as warning:
            names = ", ".join(f"{name}={width}" for name, width in right.items())
            return "named" if f"expected {names}, " in str(warning) else "warning"
        except UserWarning:
            return "warning"
    return "silent"


def test_wrong_widths_are_seldom_silent():
    counts: Counter[str] = Counter()
    for stream, written, read, data in trials():
        found = outcome(data, read, written)
        counts[found] += 1
        if found != "named":
            print(stream, written, "read as", read, found)
    print(dict(counts))
    assert counts["silent"] <= 0.02 * TRIALS
    assert counts["named"] >= 0.9 * TRIALS
    assert counts["named"] >= 0.9 * TRIALS


LOSS_F8 = stream_of("loss", {"oasis_float": "f8"}, 1, events=40)
REFUSED = "does not fit its widths .oasis_int=i4, oasis_float=f4.*expected oasis_float=f8"


@pytest.fixture
def loss_f8(tmp_path: Path) -> str:
    path = tmp_path / "gul.bin"
    path.write_bytes(LOSS_F8)
    return str(path)


@pytest.mark.parametrize(
    "read",
    [
        lambda file: list(evstream.open(file)),
        lambda file: list(evstream.open(file).chunks()),
        evstream.read_columns,
        lambda file: list(evstream.reader_class("loss")(np.zeros(1)).read(file)),
        lambda file: evstream.convert(file, file + ".csv"),
        lambda file: evstream.merge([file], file + ".merged.bin"),
    ],
    ids=["events", "chunks", "read_columns", "callbacks", "convert", "merge"],
)
def test_every_reader_names_the_right_widths(loss_f8: str, read: Any):
    with pytest.raises(CorruptStreamError, match=REFUSED):
        read(loss_f8)


@pytest.mark.parametrize("command", ["info", "cat", "seal", "convert"])
def test_commands_name_the_right_widths(loss_f8: str, command: str, capsys: Any):
    assert main([command, loss_f8, *([loss_f8 + ".csv"] if command == "convert" else [])]) == 2
    assert "expected oasis_float=f8, with which it reads cleanly" in capsys.readouterr().err


def test_validate_has_one_finding(loss_f8: str):
    (finding,) = evstream.validate(loss_f8).findings
    assert "oasis_float=f8" in finding.text


def test_a_stream_in_small_pieces_is_refused_as_well():
    with pytest.raises(CorruptStreamError, match=REFUSED):
        list(evstream.open(Trickle(LOSS_F8, 7)))


def test_what_fails_after_the_beginning_keeps_its_error():
    target = io.BytesIO()
    with evstream.create(target, "loss", len_sample=3, validate=False) as out:
        for event in range(1, 2000):
            out.write_columns([event] * 3, [1] * 3, [-3, -1, 1], [1.0, 2.0, 3.0])
    assert len(target.getvalue()) > 2 * FIRST
    with pytest.raises(evstream.TruncatedStreamError):
        list(evstream.open(io.BytesIO(target.getvalue()[:-3])))


def test_a_stream_that_breaks_rules_at_all_widths_is_read():
    target = io.BytesIO()
    with evstream.create(target, "loss", len_sample=3, validate=False) as out:
        for event in (1, 2, 1, 2):
            out.write_columns([event] * 2, [1] * 2, [9, 8], [1.0, 2.0])
    assert len(list(evstream.open(io.BytesIO(target.getvalue())))) == 4


@pytest.mark.parametrize("step", [10, 50, 88, 300])
def test_a_count_that_no_block_bears_out_is_not_a_width(step: int) -> None:
    """At areaperil_int=u8 the NaN would be the count of a block that never ends."""
    blocks = [[(np.nan, 0), (0, 0), (0, 0)], [], [], []]
    data = np.array([1], "<i4").tobytes()
    for bins in blocks:
        data += np.array([2, 1, 1, len(bins)], "<i4").tobytes() + np.array(bins, "<f4").tobytes()
    stream = evstream.open(Trickle(data, step), "cdf")
    assert [event.offsets.tolist() for event in stream] == [[0, 3, 3, 3, 3]]


def test_bits_of_a_probability_are_not_an_event_id() -> None:
    """At oasis_float=f8 the two 1.0 would be ids of the second block."""
    data = np.array([1], "<i4").tobytes()
    for bins in ([(0, 0), (0, np.nan)], [(1, 1)], [(0, 0)]):
        data += np.array([2, 1, 1, len(bins)], "<i4").tobytes() + np.array(bins, "<f4").tobytes()
    stream = evstream.open(io.BytesIO(data), "cdf")
    assert [event.offsets.tolist() for event in stream] == [[0, 2, 3, 4]]


F4 = {"oasis_float": "f4"}


@pytest.mark.parametrize("by", ["argument", "environment"])
def test_widths_that_were_named_are_warned_of(
    by: str, loss_f8: str, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """A small stream may break a rule and fit other widths by chance."""
    options = ["--width", "oasis_float=f4"] if by == "argument" else []
    if by == "environment":
        monkeypatch.setenv("OASIS_FLOAT", "f4")
    Path(loss_f8).write_bytes(LOSS_F8[:488])  # whole blocks, and at f4 it can be parsed too
    widths = F4 if by == "argument" else None
    with pytest.warns(WidthWarning, match=REFUSED):
        list(evstream.open(loss_f8, widths=widths))
    with pytest.raises(CorruptStreamError, match=REFUSED):
        list(evstream.open(loss_f8, widths=widths, strict=True))
    if by == "argument":
        with pytest.raises(CorruptStreamError, match=REFUSED):
            list(evstream.open(loss_f8, widths={"oasis_int": "i4"}))  # another one was named
    assert main(["info", loss_f8, *options]) == 1
    assert "expected oasis_float=f8, with which it reads cleanly" in capsys.readouterr().err


def ids(values: list[int], dtype: str) -> io.BytesIO:
    return io.BytesIO(np.array(values, dtype).tobytes())


@pytest.mark.parametrize("values", [[1, 2], [5, 7, 9], [*range(1, 3000)], [9, 4, 7, 1, 3, 2, 8, 6]])
def test_wide_event_ids_read_as_narrow_ones_are_refused(values: list[int]) -> None:
    with pytest.raises(CorruptStreamError, match="expected oasis_int=i8"):
        list(evstream.open(ids(values, "<i8"), "event_ids"))


@pytest.mark.parametrize("values", [[1, 2, 3, 4], [*range(1, 9001)], [9, 4, 7, 1, 3, 2, 8, 6]])
def test_narrow_event_ids_read_as_wide_ones_are_warned_of(values: list[int]) -> None:
    wide = {"oasis_int": "i8"}
    with pytest.warns(WidthWarning, match="expected oasis_int=i4"):
        read = [event.event_id for event in evstream.open(ids(values, "<i4"), "eve", widths=wide)]
    assert read == np.array(values, "<i4").view("<i8").tolist()
    with pytest.raises(CorruptStreamError, match="expected oasis_int=i4"):
        list(evstream.open(ids(values, "<i4"), "eve", widths=wide, strict=True))


AMOUNTS = {
    "round": [100000.0, 250000.0, 0.0, 5000.0, 1e6, 1200.0, 80000.0, 7.5],
    "equal": [100000.0] * 8,
    "odd": [1234.56, 99.95, 1e6 / 3, 5.25, 77777.77, 1e9 / 7, 12.34, 0.99],
}


@pytest.mark.parametrize("name", AMOUNTS)
@pytest.mark.parametrize("written", ["f4", "f8"])
def test_amounts_at_other_widths_are_reported(name: str, written: str, tmp_path: Path) -> None:
    """A file of floats alone shows nothing of their width, but amounts are not 1e37."""
    path = tmp_path / "coverages.bin"
    np.array(AMOUNTS[name], written).tofile(path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = evstream.read_columns(path, widths={"oasis_float": written})
    assert found["tiv"].tolist() == np.array(AMOUNTS[name], written).tolist()
    wrong = {"oasis_float": "f8" if written == "f4" else "f4"}
    with pytest.warns(WidthWarning, match=f"oasis_float={written}"):
        evstream.read_columns(path, widths=wrong)


@pytest.mark.parametrize("values", [[1, 2], [9, 8], [1 << 30, 3 << 29, 5 << 28, 7]])
def test_wide_event_ids_that_may_be_two_are_warned_of(values: list[int], tmp_path: Path) -> None:
    """A single wide id, or large halves: no proof, so not even an error under strict."""
    path, wide = tmp_path / "ids.bin", {"oasis_int": "i8"}
    np.array(values, "<i4").tofile(path)
    options: dict[str, Any] = {"stream": "event_ids", "widths": wide}
    for read in (
        lambda: list(evstream.open(path, **options, strict=True)),
        lambda: evstream.read_columns(path, **options),
        lambda: evstream.validate(path, **options),
        lambda: evstream.read_columns(evstream.parts(path, **options)),
        lambda: evstream.convert(path, tmp_path / "ids.csv", **options),
    ):
        with pytest.warns(WidthWarning, match="each event_id may be two that were .* oasis_int=i4"):
            read()
    assert main(["info", "--stream", "event_ids", "--width", "oasis_int=i8", str(path)]) == 1


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([5], "<i4"),
        ([3, 1, 2], "<i4"),
        ([1 << 40, 1 << 41, (1 << 40) + 7], "<i8"),  # halves of 0
        ([(2024 << 32) + 1, (2024 << 32) + 2], "<i8"),  # halves that come twice
        ([(9 << 32) + 9], "<i8"),
        ([1 << 40], "<i8"),
        ([(9 << 32) - 8], "<i8"),  # a half below 0
        ([1, 2, (7 << 32) + 3, (8 << 32) + 4], "<i8"),
    ],
)
def test_likely_event_ids_are_read_without_a_word(values: list[int], dtype: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        widths = {"oasis_int": dtype[1:]}
        events = evstream.open(ids(values, dtype), "event_ids", widths=widths)
        assert [event.event_id for event in events] == values
