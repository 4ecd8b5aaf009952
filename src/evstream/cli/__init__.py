"""The command line: `evstream COMMAND ...`, one module per command.

`program` runs one command, `arguments` has what commands share, `standard` and `progress` write to
the terminal. Not here: work on streams, which is the library's.
May import: everything but `console`.
"""
