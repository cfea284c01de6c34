"""Chaos: real processes killed and servers failing, and afterwards everything is there once.

`python -m chaos --kills 200` from `tests/`, or `make chaos`; a short seeded part runs as a test.
"""
