"""Data Fabric Compass: SQL over the Data Lake (reference cloudsuite-api §6.4)."""
