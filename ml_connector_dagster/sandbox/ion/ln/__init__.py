"""LN: OData services over the same ERP (reference cloudsuite-api §4.1)."""
