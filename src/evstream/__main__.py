"""`python -m evstream`: the command line."""

import sys

from evstream.console import console

sys.exit(console())
