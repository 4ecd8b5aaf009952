import sys

import numpy as np

import evstream

with evstream.open(sys.argv[1]) as stream:
    for event in stream:
        samples = event.sidx > 0
        total = np.bincount(event.sidx[samples] - 1, event.loss[samples])
        print(event.event_id, round(total.max(), 2))
