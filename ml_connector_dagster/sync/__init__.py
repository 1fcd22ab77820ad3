"""The verbs, free of Dagster: extract, deliver, replay, trace, ping, verify, and whole flows."""
