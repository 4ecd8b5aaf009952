"""Other people's engines on parts of streams: `evstream.dask`, `evstream.spark`.

They schedule; a task opens its part and reads rows. Imported when one of them is used, since each
needs an extra.
Not here: reading.
May import: tables, partition and what lies below.
"""
