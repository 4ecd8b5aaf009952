"""`python -m evstream`: the command line."""

import sys

from evstream.cli import main

sys.exit(main())
