"""The data lake: SQL by Data Fabric Compass, a route of every product line (reference cloudsuite-api §6.4)."""
