"""The command line answers a word that it does not know, and no word at all."""

from __future__ import annotations

import pytest

from evstream.cli.program import main
from golden_files import GOLDEN

LOSS = str(GOLDEN / "loss_i4_f4.bin")


def test_without_arguments_the_help_is_printed(capsys):
    assert main([]) == 0
    assert "usage: evstream" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "suggestion"),
    [
        (["validat", "a.bin"], "did you mean validate?"),
        (["convert", "a", "b", "--to", "parket"], "did you mean parquet?"),
        (["merge", "--forse", "a.bin", "b.bin"], "did you mean --force?"),
        (["seal", "--jobs", "0", "a.bin"], "argument --jobs: '0', expected 1 or more"),
        (["aal", "--jobs=-1", "a.bin"], "argument --jobs: '-1', expected 1 or more"),
        (["--verison"], "did you mean --version?"),
        (["--quite", "info", "a.bin"], "did you mean --quiet?"),
        (["generate", "a.yaml", "--package", "a", "--only", "pyton"], "did you mean 'python'?"),
        (["info", "a.bin", "--nothing-alike"], "unrecognized arguments: --nothing-alike\n"),
    ],
)
def test_an_unknown_word_is_answered_with_the_nearest(arguments, suggestion, capsys):
    with pytest.raises(SystemExit):
        main(arguments)
    assert suggestion in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "suggestion"),
    [
        (["info", LOSS, "--stream", "los"], "did you mean 'loss'?"),
        (["info", LOSS, "--stream", "itmes"], "did you mean 'items'?"),
        (["info", LOSS, "--width", "oasis_flot=f8"], "did you mean 'oasis_float'?"),
        (["convert", LOSS, "a.parket"], "did you mean '.parquet'?"),
        (["convert", LOSS, "a", "--partition-by", "event_i"], "did you mean 'event_id'?"),
        (["cat", LOSS, "--columns", "los"], "did you mean 'loss'?"),
    ],
)
def test_a_name_that_a_format_lacks_is_answered_too(arguments, suggestion, capsys):
    assert main(arguments) == 2
    assert suggestion in capsys.readouterr().err
