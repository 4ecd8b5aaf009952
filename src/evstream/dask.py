"""`import evstream.dask`: the module `evstream.engines.dask` under its public name."""

import sys

from evstream.engines import dask

sys.modules[__name__] = dask
