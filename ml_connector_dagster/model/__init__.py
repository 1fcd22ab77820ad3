"""The nouns: entities, windows, batches, receipts, capabilities, errors. No I/O lives here."""
