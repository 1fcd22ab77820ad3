"""Financials & Supply Management: Landmark's generic lists over the same ERP (reference cloudsuite-api §4.2)."""
