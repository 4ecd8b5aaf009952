"""The checks of a spec, by what they are about; codegen/check.py runs them."""
