"""Golden vectors of docs/FORMATS.md: `vectors.json` and its generator, `python -m
tests.evidence.golden`.
"""
