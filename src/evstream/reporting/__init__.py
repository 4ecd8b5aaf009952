"""Reports and plots of the losses of streams, for people: `evstream.report`, `evstream.plot`.

Three steps, each in modules of its own: numbers are collected in one pass over the parts of a
stream (`collection`, `event_losses`, `event_totals`), made into what a report shows (`findings`,
`numbers`), and shown (`charts`, `vega`, `tables`, `page`). The definitions of results, and so the
names of the Oasis format, come from `results`.
Not here: the reading of streams, and the making of result tables.
"""
