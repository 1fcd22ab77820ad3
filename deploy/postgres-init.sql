-- Run once, when the volume is new. Dagster's history is in the database "dagster"; the connector's ledger has its own,
-- so that either can be backed up, moved and emptied without the other.
CREATE DATABASE ledger;
