"""Distribution SX.e: FetchWhere over the same ERP (reference cloudsuite-api §4.3)."""
