"""Page bytes to typed columns: read, split, type, key, hash, reject. No Python object per value."""
