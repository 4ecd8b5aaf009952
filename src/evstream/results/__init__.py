"""Result tables of the analyst, from summary streams: event loss tables, average annual loss and
exceedance curves, as ORD (Open Results Data) defines them.

Their definitions are those of the Oasis loss module, so this room knows the names of its format.
Not here: the reading of streams and the writing of files.
"""
