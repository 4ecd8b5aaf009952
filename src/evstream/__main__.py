"""`python -m evstream`: the command line."""

import sys

from evstream.cli import console

sys.exit(console())
