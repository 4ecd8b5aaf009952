"""`make bench`: evstream beside what a user would pick instead, and beside the machine."""
