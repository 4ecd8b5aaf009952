"""The command line answers a word that it does not know, and no word at all."""

from __future__ import annotations

import pytest

from evstream.cli.program import main


def test_without_arguments_the_help_is_printed(capsys):
    assert main([]) == 0
    assert "usage: evstream" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "suggestion"),
    [
        (["validat", "a.bin"], "did you mean validate?"),
        (["convert", "a", "b", "--to", "parket"], "did you mean parquet?"),
        (["merge", "--forse", "a.bin", "b.bin"], "did you mean --force?"),
        (["info", "a.bin", "--nothing-alike"], "unrecognized arguments: --nothing-alike\n"),
    ],
)
def test_an_unknown_word_is_answered_with_the_nearest(arguments, suggestion, capsys):
    with pytest.raises(SystemExit):
        main(arguments)
    assert suggestion in capsys.readouterr().err
