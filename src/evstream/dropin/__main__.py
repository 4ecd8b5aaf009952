"""`python -m evstream.dropin -- PROGRAM ...`."""

from evstream.dropin.launcher import run_as_process

if __name__ == "__main__":
    run_as_process()
