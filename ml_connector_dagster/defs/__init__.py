"""Dagster: the only code that imports it. Thin on purpose: names, keys, selections, resources, and calls into ``sync``.

Files are named for Dagster's own nouns. What is *not* here: what to read, how to deliver, what counts as changed;
those are verbs of ``sync``. Measured reasons for the odd choices are in ARCHITECTURE.md and in the comments.
"""
