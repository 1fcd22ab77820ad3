"""SyteLine (CloudSuite Industrial): the IDO request service over the same ERP (reference cloudsuite-api §3)."""
