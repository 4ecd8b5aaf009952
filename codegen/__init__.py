"""The generator: spec/oasis.yaml -> src/evstream/_generated and docs/format.md.

load (YAML to model, with positions) -> check (passes that return problems) -> plan
(offsets, sizes, names) -> render (Jinja) -> write. Run it with `make generate`.
"""
