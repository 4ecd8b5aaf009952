"""`make bench`: compare evstream with its alternatives and with the speed of the machine."""
