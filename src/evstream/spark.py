"""`import evstream.spark`: the module `evstream.engines.spark` under its public name."""

import sys

from evstream.engines import spark

sys.modules[__name__] = spark
