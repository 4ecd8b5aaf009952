"""`python -m evstream.include`: the folder of evstream.h, for the -I of a compiler."""

from evstream.include import FOLDER

print(FOLDER)
