"""LN: OData services (reference cloudsuite-api §4.1)."""
